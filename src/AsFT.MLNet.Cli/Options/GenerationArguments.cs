using System.CommandLine;
using AsFT.Torch.Generation;

namespace AsFT.MLNet.Cli.Options;

/// <summary>The command-line form of <see cref="GenerationOptions"/>. What is left out keeps the model's own setting.</summary>
internal sealed class GenerationArguments
{
    private readonly OptionTable<GenerationOptions> _table = new();

    /// <param name="isBesideTraining">Whether the command has the plain words <c>--batch-size</c> and <c>--seed</c> for its training.</param>
    public GenerationArguments(bool isBesideTraining = false)
    {
        _table.Add(o => o.MaxNewTokens, "New tokens per answer at most");
        _table.Add(o => o.Temperature, "0 decodes greedily; above, answers are sampled");
        _table.Add(o => o.TopP, "Sample from the fewest tokens with this probability together, in (0, 1]");
        _table.Add(o => o.TopK, "Sample from this many tokens");
        _table.Add(o => o.RepetitionPenalty, "Weaken tokens already there; 1: off");
        _table.Add(o => o.StopStrings, "An answer ends before this text; may be given several times", "--stop", isRepeated: true);
        _table.Add(o => o.BatchSize, "Prompts per forward pass at most", isBesideTraining ? "--generation-batch-size" : null);
        if (!isBesideTraining) _table.Add(o => o.Seed, "Seed of sampling");
        // As the ML.NET surface calls it.
        var batch = _table.Words[nameof(GenerationOptions.BatchSize)];
        Words = new Dictionary<string, string>(_table.Words.Where(pair => !isBesideTraining || pair.Key != nameof(GenerationOptions.BatchSize))) { [nameof(AsftFineTuneOptions.GenerationBatchSize)] = batch };
    }

    /// <summary>Properties and the words for them.</summary>
    public IReadOnlyDictionary<string, string> Words { get; }

    public void AddTo(Command command) => _table.AddTo(command);

    /// <summary>What the user typed, over the given settings.</summary>
    public GenerationOptions Read(ToolRun run, GenerationOptions defaults)
    {
        var options = defaults with { };
        _table.Apply(run, options);
        return options;
    }
}
