using System.CommandLine;
using AsFT.Torch.Runtime;

namespace AsFT.MLNet.Cli.Options;

/// <summary>Where to compute: <c>--device</c> and <c>--dtype</c>.</summary>
internal sealed class DeviceOptions
{
    /// <summary>What <c>--dtype</c> takes, in any letter case.</summary>
    public static readonly string[] DTypes = ["auto", "float32", "bfloat16", "float16", "float64"];

    /// <summary>What the help says of <c>--weight-format</c>.</summary>
    public const string WeightFormatText = "How the frozen weights of the decoder's linear layers are held: dense, or quantised while they are read to int8 or, as QLoRA does, nf4; a model that bitsandbytes stored quantised stays as it is";

    public Option<string> Device { get; } = new("--device") { Description = "auto, cpu, cuda, cuda:N or mps", DefaultValueFactory = _ => "auto" };

    public Option<string> DType { get; } = new Option<string>("--dtype") { Description = "Number format of the frozen weights", DefaultValueFactory = _ => "auto" }
        .AcceptOnlyFromAmong(StringComparer.OrdinalIgnoreCase, DTypes);

    public void AddTo(Command command)
    {
        command.Options.Add(Device);
        command.Options.Add(DType);
    }

    public ComputePlacement Resolve(ToolRun run) => ComputePlacement.Resolve(run.Get(Device), run.Get(DType).ToLowerInvariant());
}
