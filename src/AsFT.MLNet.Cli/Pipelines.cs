using AsFT.MLNet.Cli.Output;
using AsFT.Torch.Chat;
using AsFT.Torch.Training;
using Microsoft.ML;
using Microsoft.ML.Runtime;

namespace AsFT.MLNet.Cli;

/// <summary>The tool's way to the ML.NET surface: a context whose log goes to stderr, a fit with progress, prompts as rows.</summary>
internal static class Pipelines
{
    // Column names of LoadFromInstructionFile.
    public const string PromptColumn = "Prompt";

    /// <param name="run">The invocation.</param>
    /// <param name="seed">Seed of the context.</param>
    /// <param name="saysWarnings">Whether what a result goes without is said; not where a command has told it itself.</param>
    public static MLContext NewContext(ToolRun run, long seed, bool saysWarnings = true)
    {
        var ml = new MLContext(unchecked((int)seed));
        // Warnings tell what is left out of a result, so they are said whether asked for or not.
        ml.Log += (_, e) =>
        {
            if (saysWarnings && e.Kind == ChannelMessageKind.Warning) Warning(run)(e.RawMessage);
            else if (run.IsVerbose && e.Kind >= ChannelMessageKind.Info) run.Warn(e.Message);
        };
        return ml;
    }

    /// <summary>Says what a result goes without.</summary>
    public static Action<string> Warning(ToolRun run) => line => run.Warn($"warning: {line}");

    /// <summary>Makes an estimator whose progress can be shown, by <see cref="Fit"/>.</summary>
    /// <exception cref="ArgumentException">An option is wrong.</exception>
    public static (AsftFineTuneEstimator Estimator, ProgressRelay Progress) NewEstimator(MLContext ml, AsftFineTuneOptions options)
    {
        var relay = new ProgressRelay();
        options.Progress = relay;
        return (ml.Transforms.AsftFineTune(options), relay);
    }

    /// <summary>Fits, and shows how far it is.</summary>
    public static AsftFineTuneTransformer Fit(ToolRun run, (AsftFineTuneEstimator Estimator, ProgressRelay Progress) made, IDataView train, IDataView? validation, string title) =>
        ProgressDisplay.Show(run, title, display =>
        {
            made.Progress.Target = TrainingDisplay.Forward(display);
            return validation is null ? made.Estimator.Fit(train) : made.Estimator.Fit(train, validation);
        });

    /// <summary>The rows of an instruction file.</summary>
    public static IEnumerable<Instruction> ReadInstructions(MLContext ml, IDataView rows) =>
        ml.Data.CreateEnumerable<Instruction>(rows, reuseRowObject: false, ignoreMissingColumns: true);

    /// <summary>The fine-tuned model inside a loaded pipeline.</summary>
    /// <exception cref="InvalidDataException">The pipeline has none.</exception>
    public static AsftFineTuneTransformer FindFineTuned(ITransformer model, string path) => model switch
    {
        AsftFineTuneTransformer tuned => tuned,
        IEnumerable<ITransformer> chain when chain.OfType<AsftFineTuneTransformer>().LastOrDefault() is { } tuned => tuned,
        _ => throw new InvalidDataException($"'{path}' is an ML.NET model without an AsFT fine-tuned language model in it."),
    };

    /// <summary>Passes reports on to whatever shows them at the moment.</summary>
    internal sealed class ProgressRelay : IProgress<TrainingProgress>
    {
        public IProgress<TrainingProgress>? Target { get; set; }

        public void Report(TrainingProgress value) => Target?.Report(value);
    }
}

/// <summary>A row of an instruction file.</summary>
internal sealed class Instruction
{
    public string Prompt { get; set; } = "";

    public string Context { get; set; } = "";

    public string System { get; set; } = "";

    public string Response { get; set; } = "";

    /// <summary>The whole conversation in JSON, where there is one.</summary>
    public string Messages { get; set; } = "";

    public static Instruction Of(ChatExample example) => new() { Prompt = example.Prompt, Context = example.Context ?? "", System = example.System ?? "", Messages = Conversation.Write(example) };

    /// <param name="system">A system message for all rows that have none; null: none.</param>
    /// <exception cref="InvalidDataException">The conversation cannot be asked.</exception>
    public ChatExample ToExample(string? system)
    {
        if (Messages.Length == 0) return new(Prompt, System: system ?? (System.Length > 0 ? System : null), Context: Context.Length > 0 ? Context : null);
        var row = Conversation.Parse(Messages, "A conversation");
        var example = row.Example ?? throw new InvalidDataException($"A conversation cannot be asked: {row.Unusable}.");
        return example with { Response = null, System = system ?? example.System };
    }
}
