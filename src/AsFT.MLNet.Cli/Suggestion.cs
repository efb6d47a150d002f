using System.CommandLine;
using System.CommandLine.Parsing;

namespace AsFT.MLNet.Cli;

/// <summary>What the user may have meant by a word that is no command or option.</summary>
internal static class Suggestion
{
    // What other tools of the field call options of ours: PEFT, TRL and transformers; llama.cpp. The first that a command has is meant.
    private static readonly Dictionary<string, string[]> OtherTools = new()
    {
        ["r"] = ["--rank"],
        ["lora-r"] = ["--rank"],
        ["lora-rank"] = ["--rank"],
        ["lora-alpha"] = ["--alpha"],
        ["lora-dropout"] = ["--dropout"],
        ["lora-target-modules"] = ["--target-modules"],
        ["num-train-epochs"] = ["--epochs"],
        ["num-epochs"] = ["--epochs"],
        ["per-device-train-batch-size"] = ["--batch-size"],
        ["train-batch-size"] = ["--batch-size"],
        ["gradient-accumulation-steps"] = ["--micro-batch-size"],
        ["gradient-checkpointing"] = ["--activation-checkpointing"],
        ["lr-scheduler-type"] = ["--schedule"],
        ["max-grad-norm"] = ["--max-gradient-norm"],
        ["max-seq-length"] = ["--max-length"],
        ["max-tokens"] = ["--max-new-tokens", "--max-length"],
        ["max-length"] = ["--max-new-tokens"],
        ["logging-steps"] = ["--report-every"],
        ["save-steps"] = ["--checkpoint-every"],
        ["resume-from-checkpoint"] = ["--resume"],
        ["output-dir"] = ["--out"],
        ["output"] = ["--out"],
        ["o"] = ["--out"],
        ["model"] = ["--aligned"],
        ["model-name-or-path"] = ["--model", "--aligned"],
        ["m"] = ["--model", "--aligned"],
        ["base-model"] = ["--base"],
        ["lora"] = ["--adapter"],
        ["dataset"] = ["--data"],
        ["dataset-name"] = ["--data"],
        ["train-file"] = ["--data"],
        ["file"] = ["--data"],
        ["f"] = ["--data"],
        ["p"] = ["--prompt"],
        ["n"] = ["--max-new-tokens"],
        ["n-predict"] = ["--max-new-tokens"],
        ["temp"] = ["--temperature"],
        ["repeat-penalty"] = ["--repetition-penalty"],
        ["chat-template"] = ["--template"],
        ["torch-dtype"] = ["--dtype"],
        ["precision"] = ["--dtype"],
    };

    /// <summary>The sentence on the first word of a command line that is neither command nor option; null where there is none.</summary>
    public static string? ForUnknownWord(ParseResult parse)
    {
        var command = parse.CommandResult.Command;
        var unknown = parse.UnmatchedTokens;
        if (command.Subcommands.Count > 0 && unknown is [var word, ..] && !IsOption(word))
            return $"There is no command '{word}'{Meant(Closest(word, command.Subcommands.Select(known => known.Name)))}";
        return unknown.FirstOrDefault(IsOption) is { } option ? NoOption(parse.CommandResult, option) : null;
    }

    /// <summary>The sentence on an option that a command does not have.</summary>
    /// <param name="result">Where it was given: the command's result, or that of a part of it.</param>
    /// <param name="typed">As it was typed.</param>
    public static string NoOption(SymbolResult result, string typed)
    {
        while (result is not CommandResult) result = result.Parent!;
        var command = ((CommandResult)result).Command;
        var known = Names(command).ToList();
        // --name=value, and the dashes that word processors make of two.
        var name = typed.Split('=', ':')[0].TrimStart('-', '–', '—').Replace('_', '-').ToLowerInvariant();
        var meant = known.Contains("--" + name) ? "--" + name
            : command is ToolCommand tool && tool.OptionNames.FirstOrDefault(pair => Failure.KebabCase(pair.Key) == name).Value is { } renamed ? renamed
            : OtherTools.GetValueOrDefault(name)?.FirstOrDefault(known.Contains) ?? Closest("--" + name, known);
        return $"There is no option '{typed}'{Meant(meant)}";
    }

    private static bool IsOption(string word) => word.Length > 1 && word[0] is '-' or '–' or '—';

    /// <summary>How a sentence on a wrong word ends: with the word that was meant, where one is known.</summary>
    internal static string Meant(string? word) => word is null ? "." : $"; did you mean {word}?";

    private static IEnumerable<string> Names(Command command)
    {
        for (Command? at = command; at is not null; at = at.Parents.OfType<Command>().FirstOrDefault())
            foreach (var option in at.Options.Where(option => !option.Hidden && (at == command || option.Recursive)))
                foreach (var name in option.Aliases.Prepend(option.Name).Where(name => name.StartsWith("--", StringComparison.Ordinal))) yield return name;
    }

    /// <summary>The known word that takes the fewest slips of the fingers to become another; null where none is near.</summary>
    internal static string? Closest(string word, IEnumerable<string> known) => known
        .Select(candidate => (Name: candidate, Distance: Distance(word.ToLowerInvariant(), candidate)))
        .Where(candidate => candidate.Distance <= Math.Max(1, word.TrimStart('-').Length / 3))
        .OrderBy(candidate => candidate.Distance)
        .Select(candidate => candidate.Name)
        .FirstOrDefault();

    /// <summary>Letters to insert, delete, replace or swap with their neighbour to make one word of the other (optimal string alignment).</summary>
    internal static int Distance(string a, string b)
    {
        var d = new int[a.Length + 1, b.Length + 1];
        for (var i = 0; i <= a.Length; i++) d[i, 0] = i;
        for (var j = 0; j <= b.Length; j++) d[0, j] = j;
        for (var i = 1; i <= a.Length; i++)
            for (var j = 1; j <= b.Length; j++)
            {
                d[i, j] = Math.Min(Math.Min(d[i - 1, j], d[i, j - 1]) + 1, d[i - 1, j - 1] + (a[i - 1] == b[j - 1] ? 0 : 1));
                if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1]) d[i, j] = Math.Min(d[i, j], d[i - 2, j - 2] + 1);
            }
        return d[a.Length, b.Length];
    }
}
