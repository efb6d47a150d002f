using System.CommandLine;

namespace AsFT.MLNet.Cli.Options;

/// <summary><c>--force</c>: write over what a command would otherwise leave alone.</summary>
internal sealed class ForceOption : Option<bool>
{
    /// <summary>For an output folder: what the same command line did not make.</summary>
    public ForceOption() : this("a finished output that another command line made")
    {
    }

    /// <summary>For an output file: one of another kind than the command writes.</summary>
    public ForceOption(string what) : base("--force") => Description = $"Write over {what}";
}
