using AsFT.MLNet.FineTuning;
using AsFT.MLNet.Scoring;
using Microsoft.ML;
using Microsoft.ML.Runtime;

namespace AsFT.MLNet;

/// <summary>
/// Judges the harmfulness of answers. Made by <see cref="HarmfulnessScoringCatalog.ScoreHarmfulness(TransformsCatalog, ScoreHarmfulnessOptions)"/>.
/// </summary>
public sealed class HarmfulnessScoringEstimator : IEstimator<HarmfulnessScoringTransformer>
{
    private readonly IHostEnvironment _environment;
    private readonly IHost _host;
    private readonly ScoreHarmfulnessOptions _options;

    internal HarmfulnessScoringEstimator(IHostEnvironment environment, ScoreHarmfulnessOptions options)
    {
        ArgumentNullException.ThrowIfNull(options);
        options.Validate();
        _environment = environment;
        _host = environment.Register(nameof(HarmfulnessScoringEstimator));
        _options = options.Copy();
        // What the judge lacks is told here, not after an hour of training before it in the chain. No weights are read.
        _ = _options.Judge!.Source(environment);
    }

    /// <summary>Checks the columns and makes the transformer; nothing is learnt, no row is read, and a moderation model's weights wait for the first score that is read.</summary>
    /// <param name="input">Rows with the prompt and response columns.</param>
    /// <exception cref="ArgumentOutOfRangeException">A column is missing or is no text.</exception>
    /// <exception cref="InvalidDataException">The moderation model's config is damaged or makes no judge.</exception>
    public HarmfulnessScoringTransformer Fit(IDataView input)
    {
        ArgumentNullException.ThrowIfNull(input);
        var transformer = new HarmfulnessScoringTransformer(_host, _options.Copy(), _options.Judge!.Source(_environment), null);
        transformer.GetOutputSchema(input.Schema);
        return transformer;
    }

    /// <summary>The columns after the transformer: those given, and those it adds.</summary>
    /// <param name="inputSchema">The columns before it.</param>
    /// <exception cref="ArgumentOutOfRangeException">A column is missing or is no text.</exception>
    public SchemaShape GetOutputSchema(SchemaShape inputSchema)
    {
        ArgumentNullException.ThrowIfNull(inputSchema);
        ColumnCheck.Text(inputSchema, _options.PromptColumnName, "prompt");
        ColumnCheck.Text(inputSchema, _options.ResponseColumnName, "response");
        return ScoreFunction.OutputShape(inputSchema, _options);
    }
}
