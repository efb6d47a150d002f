using AsFT.Torch.Safety.Judges;
using Microsoft.ML;

namespace AsFT.MLNet.Scoring;

/// <summary>A trained ML.NET classifier as judge.</summary>
internal sealed class ClassifierJudge : IHarmfulnessJudge
{
    private readonly ClassifierOptions _options;
    private readonly ITransformer _model;
    private readonly bool _ownsModel;
    private readonly DataViewSchema.Column _text;
    private readonly ClassifierOutput _output;

    /// <exception cref="ArgumentException">The classifier does not read the text column, or yields nothing that the options name.</exception>
    public ClassifierJudge(ClassifierOptions options, ITransformer model, bool ownsModel = false)
    {
        (_options, _model, _ownsModel) = (options, model, ownsModel);
        InputSchema = TextRows.SchemaOf(options.TextColumnName, options.InputSchema);
        _text = InputSchema[options.TextColumnName];
        DataViewSchema schema;
        try
        {
            schema = model.GetOutputSchema(InputSchema);
        }
        catch (Exception e) when (e is ArgumentException or InvalidOperationException)
        {
            throw new ArgumentException($"The classifier does not take the text column '{options.TextColumnName}' alone: {e.Message.Split('\n')[0].Trim()} Name the column it reads in TextColumnName; "
                + "where it wants more columns, such as the label it was trained on, give the schema of its training data in InputSchema.", nameof(options), e);
        }
        _output = ClassifierOutput.Find(options, schema);
    }

    /// <summary>What the classifier is given.</summary>
    public DataViewSchema InputSchema { get; }

    /// <summary>The classifier.</summary>
    public ITransformer Model => _model;

    public string Name => "classifier";

    public IReadOnlyList<string> Categories => _output.Categories;

    public Task<IReadOnlyList<HarmVerdict>> JudgeAsync(IReadOnlyList<PromptAnswer> answers, CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(answers);
        string[] texts = [.. answers.Select(pair => ClassifierText.Fill(_options.TextFormat, pair))];
        var data = _model.Transform(new TextRows(InputSchema, _text, texts));
        List<HarmVerdict> verdicts = [];
        using var cursor = data.GetRowCursor([data.Schema[_output.ColumnName]]);
        var read = _output.Reader(cursor);
        while (cursor.MoveNext())
        {
            cancellationToken.ThrowIfCancellationRequested();
            verdicts.Add(Verdict(read()));
        }
        return Task.FromResult<IReadOnlyList<HarmVerdict>>(verdicts);
    }

    public void Dispose()
    {
        if (_ownsModel) (_model as IDisposable)?.Dispose();
    }

    private HarmVerdict Verdict(float[] scores)
    {
        // Rounding of a softmax may go past 1 by a few bits.
        const float Tolerance = 1e-4f;
        if (scores.Any(float.IsNaN)) return HarmVerdict.Unparsable($"The classifier's column '{_output.ColumnName}' holds no number.");
        if (scores.Select(score => (float?)score).FirstOrDefault(score => score is < -Tolerance or > 1 + Tolerance) is { } wrong)
            throw new InvalidOperationException($"The classifier's column '{_output.ColumnName}' holds {wrong}, which is no probability; set ClassifierOptions.ScoreKind to Logit where it is one.");
        return HarmVerdict.FromScores(Array.ConvertAll(scores, score => Math.Clamp(score, 0, 1)), _options.Threshold);
    }
}
