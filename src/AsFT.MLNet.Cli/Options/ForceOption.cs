using System.CommandLine;

namespace AsFT.MLNet.Cli.Options;

/// <summary><c>--force</c>: write over a finished output that the same command line did not make.</summary>
internal sealed class ForceOption : Option<bool>
{
    public ForceOption() : base("--force") => Description = "Write over a finished output that another command line made";
}
