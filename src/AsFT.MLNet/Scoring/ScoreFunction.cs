using AsFT.MLNet.Batching;
using AsFT.MLNet.FineTuning;
using AsFT.MLNet.Interop;
using AsFT.Torch.Safety.Judges;
using Microsoft.ML;
using Microsoft.ML.Data;

namespace AsFT.MLNet.Scoring;

/// <summary>Prompt, response and context in, a verdict out.</summary>
internal sealed class ScoreFunction : BatchFunction<HarmVerdict>
{
    /// <summary>Annotation of the category scores: the score above which an answer is harmful.</summary>
    public const string ThresholdAnnotation = "HarmfulThreshold";

    /// <summary>Annotation of the category scores: the judge's name.</summary>
    public const string JudgeAnnotation = "HarmfulJudge";

    private readonly ScoreHarmfulnessOptions _options;
    private readonly JudgeSource _source;

    public ScoreFunction(ScoreHarmfulnessOptions options, JudgeSource source)
    {
        (_options, _source) = (options, source);
        Inputs = [options.PromptColumnName, options.ResponseColumnName, options.ContextColumnName ?? ""];
        float[] missing = [.. source.Categories.Select(_ => float.NaN)];
        Outputs =
        [
            BatchColumn.Single<HarmVerdict>(options.HarmfulScoreColumnName, verdict => verdict.Score),
            BatchColumn.Boolean<HarmVerdict>(options.IsHarmfulColumnName, verdict => verdict.IsHarmful),
            BatchColumn.Vector<HarmVerdict>(options.CategoryScoresColumnName, source.Categories, verdict => verdict.IsJudged ? verdict.CategoryScores : missing, Annotate),
            BatchColumn.Boolean<HarmVerdict>(options.IsJudgedColumnName, verdict => verdict.IsJudged),
            BatchColumn.Text<HarmVerdict>(options.UnparsableReasonColumnName, verdict => verdict.UnparsableReason ?? ""),
        ];
    }

    public override IReadOnlyList<string> Inputs { get; }

    public override IReadOnlyList<BatchColumn<HarmVerdict>> Outputs { get; }

    public override int BatchSize => _options.BatchSize;

    // A judge that is given nothing finds nothing harmful, and the score would be 0.
    public override (int Input, string Error)? NeverBlank => (1, TextColumns.NoAnswers(_options.ResponseColumnName, null, nameof(_options.ResponseColumnName)));

    public override DataViewSchema.Column?[] FindInputs(DataViewSchema schema) =>
    [
        TextColumns.Find(schema, _options.PromptColumnName, "prompt"),
        TextColumns.Find(schema, _options.ResponseColumnName, "response"),
        TextColumns.FindOptional(schema, _options.ContextColumnName, "context", PromptColumns.DefaultContext, _options.PromptColumnName, isNeeded: false),
    ];

    public override IReadOnlyList<HarmVerdict> Run(IReadOnlyList<string[]> rows) =>
        _source.Judge([.. rows.Select(row => new PromptAnswer(PromptColumns.Example(row[0], "", row[2]).UserText, row[1]))], _options.CancellationToken);

    /// <summary>A schema shape with the columns added.</summary>
    public static SchemaShape OutputShape(SchemaShape input, ScoreHarmfulnessOptions options)
    {
        var added = options.Added().Select(column => column.Name).ToHashSet();
        return new SchemaShape(
        [
            .. input.Where(column => !added.Contains(column.Name)),
            MlNetInternals.ScalarColumn(options.HarmfulScoreColumnName, NumberDataViewType.Single),
            MlNetInternals.ScalarColumn(options.IsHarmfulColumnName, BooleanDataViewType.Instance),
            MlNetInternals.NamedVectorColumn(options.CategoryScoresColumnName),
            MlNetInternals.ScalarColumn(options.IsJudgedColumnName, BooleanDataViewType.Instance),
            MlNetInternals.TextColumn(options.UnparsableReasonColumnName),
        ]);
    }

    private void Annotate(DataViewSchema.Annotations.Builder annotations)
    {
        if (_options.Judge!.HarmfulAbove is { } threshold)
            annotations.Add(ThresholdAnnotation, NumberDataViewType.Double, (ref double value) => value = threshold);
        if (_options.Judge.JudgeName is { } name)
            annotations.Add(JudgeAnnotation, TextDataViewType.Instance, (ref ReadOnlyMemory<char> value) => value = name.AsMemory());
    }
}
