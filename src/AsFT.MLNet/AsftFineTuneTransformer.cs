using System.Runtime.CompilerServices;
using AsFT.MLNet.Batching;
using AsFT.MLNet.FineTuning;
using AsFT.MLNet.Interop;
using AsFT.MLNet.Persistence;
using AsFT.Torch.Generation;
using AsFT.Torch.Training;
using Microsoft.ML;
using Microsoft.ML.Data;
using Microsoft.ML.Runtime;

namespace AsFT.MLNet;

/// <summary>
/// Answers prompts with a fine-tuned model, or with one as it is: adds a text column with the generated answer. Rows are answered in batches, lazily:
/// a pass that does not read the column runs no model. Save it with <c>mlContext.Model.Save</c>; plain <c>mlContext.Model.Load</c> reads it back.
/// </summary>
/// <remarks>
/// It holds the model in memory; dispose it when done. A loaded transformer checks at once that the model folder is there and has
/// the files and sizes it was saved with, and the contents (SHA-256) of models up to 1 GiB; larger ones are hashed when the first
/// answer is asked for, which is also when weights are read. ML.NET calls loaders by reflection, so what is wrong with the folder
/// is the inner exception of a <see cref="System.Reflection.TargetInvocationException"/>; <c>mlContext.Model.LoadAsft</c> unwraps it.
/// </remarks>
public sealed class AsftFineTuneTransformer : ITransformer, IDisposable
{
    private readonly IHost _host;
    private readonly AsftFineTuneOptions _options;
    private readonly ModelSource _source;
    // ML.NET compares schemas by reference: one mapper, and so one output schema, per input schema.
    private readonly ConditionalWeakTable<DataViewSchema, BatchedMapper<string>> _mappers = [];

    internal AsftFineTuneTransformer(IHostEnvironment environment, AsftFineTuneOptions options, ModelSource source, TrainingResult? result)
    {
        ArgumentNullException.ThrowIfNull(environment);
        _host = environment.Register(nameof(AsftFineTuneTransformer));
        _options = options;
        _source = source;
        TrainingResult = result;
    }

    /// <summary>How the training went, with every report in its history; it is saved too. null: nothing was trained (<c>AsftGenerate</c>).</summary>
    public TrainingResult? TrainingResult { get; }

    /// <summary>The options as the training left them: template, seed and adapter are those it had.</summary>
    internal AsftFineTuneOptions Options => _options;

    /// <summary>Folder of the model, below the adapter where it has one.</summary>
    public string ModelPath => _source.Folder;

    /// <summary>Text column that is added.</summary>
    public string OutputColumnName => _options.OutputColumnName;

    /// <summary>Whether rows can be mapped one by one: yes.</summary>
    public bool IsRowToRowMapper => true;

    /// <summary>The columns given and the answer's.</summary>
    /// <param name="inputSchema">The columns given.</param>
    /// <exception cref="ArgumentOutOfRangeException">A column is missing or is no text.</exception>
    public DataViewSchema GetOutputSchema(DataViewSchema inputSchema) => Mapper(inputSchema).OutputSchema;

    /// <summary>A lazy view of the rows with the answer's column.</summary>
    /// <param name="input">The rows.</param>
    /// <exception cref="ArgumentOutOfRangeException">A column is missing or is no text.</exception>
    public IDataView Transform(IDataView input)
    {
        ArgumentNullException.ThrowIfNull(input);
        return new BatchedView<string>(Mapper(input.Schema), input);
    }

    /// <summary>A mapper for single rows, as prediction engines use it.</summary>
    /// <param name="inputSchema">The columns of the rows.</param>
    /// <exception cref="ArgumentOutOfRangeException">A column is missing or is no text.</exception>
    public IRowToRowMapper GetRowToRowMapper(DataViewSchema inputSchema) => Mapper(inputSchema);

    /// <summary>Writes the adapter in PEFT's layout (<c>adapter_config.json</c>, <c>adapter_model.safetensors</c>).</summary>
    /// <param name="folder">Created if missing.</param>
    /// <exception cref="InvalidOperationException">The model has no adapter.</exception>
    public void SaveAdapter(string folder)
    {
        ArgumentException.ThrowIfNullOrEmpty(folder);
        (_source.Adapter() ?? throw WithoutAdapter()).Write(folder);
    }

    /// <summary>Writes a whole model folder with the adapter added to the weights, tensor by tensor through host memory; the transformer itself stays as it is.</summary>
    /// <param name="folder">Created if missing; must not hold model weights.</param>
    /// <exception cref="ArgumentException">It is the model's own folder.</exception>
    /// <exception cref="IOException">It holds a model already.</exception>
    /// <exception cref="InvalidOperationException">The model has no adapter.</exception>
    public void SaveMergedModel(string folder)
    {
        ArgumentException.ThrowIfNullOrEmpty(folder);
        MergedModel.CheckTarget(_source.Folder, folder);
        MergedModel.Write(_source.Folder, _source.Model().Adapter ?? throw WithoutAdapter(), folder);
    }

    /// <summary>Mean cross-entropy of the right answers in some rows, in nats per token; reads the response column.</summary>
    internal double CrossEntropy(IDataView data)
    {
        ArgumentNullException.ThrowIfNull(data);
        var token = _options.CancellationToken;
        return _source.Model().CrossEntropy(tokenize =>
            {
                var rows = TrainingRows.Read(data, "the evaluation data", _options, tokenize, token.ThrowIfCancellationRequested, isTraining: false);
                if (!rows.Counts.IsWhole) Warn($"Of the evaluation data: {rows.Counts}.");
                return rows.Examples;
            },
            _options.MaxSequenceLength, _options.GenerationBatchSize, token);
    }

    /// <summary>Frees the model.</summary>
    public void Dispose() => _source.Dispose();

    void ICanSaveModel.Save(ModelSaveContext ctx)
    {
        var saved = new SavedFineTune(_options, _source.Reference(), _options.SaveWholeModel, TrainingResult);
        MlNetInternals.SaveFineTune(ctx, saved.Parts(_source.Adapter(), _source.Folder));
    }

    internal static AsftFineTuneTransformer Load(IHostEnvironment environment, SavedParts parts)
    {
        var (source, saved) = FineTuneReader.Read(environment, parts, AsftLoadOptions.Current);
        return new AsftFineTuneTransformer(environment, saved.Options, source, saved.Result);
    }

    private InvalidOperationException WithoutAdapter() => new($"The model answers as it lies in '{_source.Folder}', without an adapter: there is none to save, and nothing to merge.");

    private BatchedMapper<string> Mapper(DataViewSchema inputSchema)
    {
        ArgumentNullException.ThrowIfNull(inputSchema);
        return _mappers.GetValue(inputSchema, schema =>
        {
            foreach (var line in PromptColumns.LeftOut(schema, _options)) Warn(line);
            return new BatchedMapper<string>(new AnswerFunction(this, schema), schema);
        });
    }

    /// <summary>Answers so far that had not ended when they had all the tokens they might have.</summary>
    internal int CutAnswers { get; private set; }

    // Evaluations cut answers on purpose: no warning for every batch.
    private void Count(int cut, int all)
    {
        if (cut == 0) return;
        CutAnswers += cut;
        using var log = _host.Start("Transform");
        log.Info(MessageSensitivity.None, $"{cut} of {all} answers had not ended at the most new tokens there may be ({nameof(AsftFineTuneOptions.MaxNewTokens)}), and are cut.");
    }

    private void Warn(string line)
    {
        using var log = _host.Start("Transform");
        log.Warning(MessageSensitivity.UserData, line);
    }

    /// <summary>Prompt, with system message and context where they are there, or whole conversations, to answer.</summary>
    private sealed class AnswerFunction : BatchFunction<string>
    {
        private readonly AsftFineTuneTransformer _transformer;
        private readonly GenerationOptions _generation;
        private readonly PromptColumns _columns;

        public AnswerFunction(AsftFineTuneTransformer transformer, DataViewSchema schema)
        {
            _transformer = transformer;
            var options = transformer._options;
            _generation = options.Generation;
            _columns = PromptColumns.Find(schema, options, isTraining: false);
            Outputs = [BatchColumn.Text<string>(options.OutputColumnName, answer => answer)];
            Inputs = [options.PromptColumnName, options.SystemColumnName ?? "", options.ContextColumnName ?? "", options.MessagesColumnName ?? ""];
        }

        public override IReadOnlyList<string> Inputs { get; }

        public override IReadOnlyList<BatchColumn<string>> Outputs { get; }

        public override int BatchSize => _generation.BatchSize;

        public override DataViewSchema.Column?[] FindInputs(DataViewSchema schema) => [_columns.Prompt, _columns.System, _columns.Context, _columns.Messages];

        public override IReadOnlyList<string> Run(IReadOnlyList<string[]> rows)
        {
            var answers = _transformer._source.Model().Answer([.. rows.Select(_columns.Asked)], _columns.SystemPlace,
                _generation, _transformer._options.Overlong == OverlongRows.Refuse, _transformer.Warn, _transformer._options.CancellationToken);
            _transformer.Count(answers.Count(answer => answer.IsCut), answers.Count);
            return [.. answers.Select(answer => answer.Text)];
        }
    }
}
