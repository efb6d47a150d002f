using System.Runtime.CompilerServices;
using AsFT.MLNet.Batching;
using AsFT.MLNet.FineTuning;
using AsFT.MLNet.Interop;
using AsFT.MLNet.Persistence;
using AsFT.MLNet.Scoring;
using AsFT.Torch.Safety.Judges;
using Microsoft.ML;
using Microsoft.ML.Data;
using Microsoft.ML.Runtime;

namespace AsFT.MLNet;

/// <summary>
/// Adds the harmful score of answers, whether they are harmful, the score of each category, whether there is a verdict and, if not, why.
/// Rows are judged in batches, lazily: a pass that reads none of these columns asks no judge. Save it with <c>mlContext.Model.Save</c>;
/// plain <c>mlContext.Model.Load</c> reads it back.
/// </summary>
/// <remarks>
/// It holds the judge's model in memory once the first score was read; dispose it when done. Chat models and judges of your own
/// cannot be saved: name them on loading (<c>mlContext.Model.LoadAsft</c>), else the first score that is read throws an <see cref="InvalidOperationException"/>.
/// </remarks>
public sealed class HarmfulnessScoringTransformer : ITransformer, IDisposable
{
    private readonly IHost _host;
    private readonly ScoreHarmfulnessOptions _options;
    private readonly JudgeSource _source;
    private readonly ScoreFunction _function;
    // ML.NET compares schemas by reference: one mapper, and so one output schema, per input schema.
    private readonly ConditionalWeakTable<DataViewSchema, BatchedMapper<HarmVerdict>> _mappers = [];

    internal HarmfulnessScoringTransformer(IHostEnvironment environment, ScoreHarmfulnessOptions options, JudgeSource source, JudgeTrainingResult? result)
    {
        ArgumentNullException.ThrowIfNull(environment);
        _host = environment.Register(nameof(HarmfulnessScoringTransformer));
        (_options, _source, TrainingResult) = (options, source, result);
        _function = new ScoreFunction(options, source);
    }

    /// <summary>The judge's kinds of harm, in the order of the category scores.</summary>
    public IReadOnlyList<string> Categories => _source.Categories;

    /// <summary>Folder of the moderation model; null for other judges.</summary>
    public string? ModelPath => _source.Model?.Folder;

    /// <summary>How the judge's training went, where <see cref="HarmfulnessJudgeEstimator"/> trained it; it is saved too.</summary>
    public JudgeTrainingResult? TrainingResult { get; }

    /// <summary>What a chat model cost so far; null for other judges, and before the first score was read.</summary>
    public ChatJudgeUsage? ChatUsage => (_source.Made as ChatModelJudge)?.Usage;

    /// <summary>Whether rows can be mapped one by one: yes.</summary>
    public bool IsRowToRowMapper => true;

    /// <summary>The columns given and those added.</summary>
    /// <param name="inputSchema">The columns given.</param>
    /// <exception cref="ArgumentOutOfRangeException">A column is missing or is no text.</exception>
    public DataViewSchema GetOutputSchema(DataViewSchema inputSchema) => Mapper(inputSchema).OutputSchema;

    /// <summary>A lazy view of the rows with the columns added.</summary>
    /// <param name="input">The rows.</param>
    /// <exception cref="ArgumentOutOfRangeException">A column is missing or is no text.</exception>
    public IDataView Transform(IDataView input)
    {
        ArgumentNullException.ThrowIfNull(input);
        return new BatchedView<HarmVerdict>(Mapper(input.Schema), input);
    }

    /// <summary>A mapper for single rows, as prediction engines use it.</summary>
    /// <param name="inputSchema">The columns of the rows.</param>
    /// <exception cref="ArgumentOutOfRangeException">A column is missing or is no text.</exception>
    public IRowToRowMapper GetRowToRowMapper(DataViewSchema inputSchema) => Mapper(inputSchema);

    /// <summary>Frees the judge, where it is the transformer's own.</summary>
    public void Dispose() => _source.Dispose();

    void ICanSaveModel.Save(ModelSaveContext ctx) => MlNetInternals.SaveScoring(ctx, SavedScoring.Parts(_options, _source, TrainingResult));

    internal static HarmfulnessScoringTransformer Load(IHostEnvironment environment, SavedParts parts)
    {
        var (options, source, result) = ScoringReader.Read(environment, parts, AsftLoadOptions.Current);
        return new HarmfulnessScoringTransformer(environment, options, source, result);
    }

    private BatchedMapper<HarmVerdict> Mapper(DataViewSchema inputSchema)
    {
        ArgumentNullException.ThrowIfNull(inputSchema);
        return _mappers.GetValue(inputSchema, schema =>
        {
            using var log = _host.Start("Transform");
            foreach (var line in PromptColumns.LeftOut(schema, _options.ContextColumnName, nameof(_options.ContextColumnName), PromptColumns.DefaultContext, _options.PromptColumnName)) log.Warning(MessageSensitivity.None, line);
            return new BatchedMapper<HarmVerdict>(_function, schema);
        });
    }
}
