using System.Globalization;
using AsFT.Torch.Adapters;
using AsFT.Torch.Alignment;
using AsFT.Torch.Chat;
using AsFT.Torch.Models;
using AsFT.Torch.Models.Weights;
using AsFT.Torch.Runtime;
using TorchSharp;
using static TorchSharp.torch;

namespace AsFT.Torch.Training;

/// <summary>Bytes a fine-tuning run needs at its peak, told before a weight is read. Sizes of tensors are counted; <see cref="Held"/> and <see cref="Runtime"/> are estimates, taken from runs.</summary>
public sealed record MemoryPlan
{
    /// <summary>Where the run computes.</summary>
    public required ComputePlacement Placement { get; init; }

    /// <summary>How the decoder's linear layers are held.</summary>
    public required WeightFormat Format { get; init; }

    /// <summary>Frozen weights and the table of rotary angles.</summary>
    public required long Weights { get; init; }

    /// <summary>A and B, their gradients and both of AdamW's moments.</summary>
    public required long Adapter { get; init; }

    /// <summary>What comes and goes while the penalty is made, before the first step: one layer's direction, in host memory and on the device.</summary>
    public required long Direction { get; init; }

    /// <summary>What the penalty keeps on the device, and the basis that the anchored share is measured with.</summary>
    public required long Penalty { get; init; }

    /// <summary>Activations kept for the gradient, of the largest forward pass.</summary>
    public required long Activations { get; init; }

    /// <summary>Logits of one chunk, and the hidden states they are made of.</summary>
    public required long Logits { get; init; }

    /// <summary>Passing tensors of the layer that is being computed.</summary>
    public required long Workspace { get; init; }

    /// <summary>The largest of the quantised matrices, made dense for a product, and what that takes on the way; 0 where none is.</summary>
    public required long Dequantized { get; init; }

    /// <summary>Bytes of host memory that come and go beside a device of its own: the largest tensor while it is read, and a layer's direction. Programs and drivers are not counted.</summary>
    public required long Host { get; init; }

    /// <summary>Freed memory that the heap of Linux cannot give back; an estimate. 0 elsewhere, and where tensors are so large that each has pages of its own.</summary>
    public required long Held { get; init; }

    /// <summary>.NET, libtorch and what its products pack their factors into; an estimate. On a GPU the driver's context is not counted: 0.</summary>
    public long Runtime => Placement.Device.type == DeviceType.CPU ? CpuRuntime : 0;

    // Linux x64, two threads, tensors taken off: code 110 MiB, what libtorch registers when it is loaded 55, .NET 25, packed factors 20.
    private const long CpuRuntime = 210L << 20;

    // libtorch asks for aligned blocks, and those fit badly into the holes that passing tensors leave between kept ones: the
    // blocks of a layer, asked for in turn, leave 0.3 to 0.6 of what is kept free in glibc 2.36, without alignment 0.1 to 0.2.
    // Runs had 0.4 to 0.9 free at their peak, a layer's workspace included.
    private const double HolesPerKept = 0.6;

    /// <summary>Bytes at the peak on the device that computes; on a CPU all of the process. The head and a layer are never at work together.</summary>
    public long Total => Weights + Adapter + Penalty + Runtime + Math.Max(Activations + Math.Max(Logits, Workspace + Dequantized) + Held, Direction);

    /// <summary>Bytes by part.</summary>
    public IReadOnlyList<(string Name, long Bytes)> Parts =>
    [
        (Format == WeightFormat.Dense ? "weights" : $"weights, {Format}", Weights), ("adapter and optimizer", Adapter), ("penalty", Penalty), ("activations", Activations),
        ("logits", Logits), ("workspace", Workspace), ("a matrix made dense", Dequantized), ("freed, kept by the heap", Held), ("runtime", Runtime),
        ("direction of a layer, before the first step", Direction),
    ];

    /// <summary>Bytes by part, the largest first, for people.</summary>
    public override string ToString() =>
        $"{Text(Total)} at the peak ({string.Join(", ", Parts.Where(part => part.Bytes > 0).OrderByDescending(part => part.Bytes).Select(part => $"{part.Name} {Text(part.Bytes)}"))})";

    /// <summary>Counts a run.</summary>
    /// <param name="config">The model's shape.</param>
    /// <param name="lora">The adapter.</param>
    /// <param name="options">Options of the run.</param>
    /// <param name="penalty">Options of the penalty; null: there is none.</param>
    /// <param name="placement">Device and number format.</param>
    /// <param name="rows">Examples in the largest forward pass, at least 1.</param>
    /// <param name="width">Tokens of the longest, at least 1.</param>
    /// <param name="supervised">Supervised tokens in that pass; null: all.</param>
    /// <param name="format">How the decoder's linear layers are held; where the checkpoint is quantised, it is as that.</param>
    /// <exception cref="ArgumentException">A target module names no layer, or a number is out of range.</exception>
    public static MemoryPlan Of(ModelConfig config, LoraOptions lora, TrainingOptions options, AlignmentPenaltyOptions? penalty, ComputePlacement placement,
        int rows, int width, long? supervised = null, WeightFormat format = WeightFormat.Dense)
    {
        ArgumentNullException.ThrowIfNull(config);
        ArgumentNullException.ThrowIfNull(lora);
        ArgumentNullException.ThrowIfNull(options);
        ArgumentNullException.ThrowIfNull(placement);
        ArgumentOutOfRangeException.ThrowIfLessThan(rows, 1);
        ArgumentOutOfRangeException.ThrowIfLessThan(width, 1);
        using var scope = NewDisposeScope();
        using var model = CausalLanguageModel.Layout(config);
        LinearLayer[] adapted = [.. TargetModules.Select([.. model.LinearLayers()], lora.TargetModules)];
        var chosen = adapted.Select(layer => layer.Name).ToHashSet();
        format = config.StoredFormat == WeightFormat.Dense ? format : config.StoredFormat;

        long size = Bytes(placement.DType), adapterSize = Math.Max(4, size), tokens = (long)rows * width;
        var trained = adapted.Sum(layer => lora.Rank * (layer.InFeatures + layer.OutFeatures));
        var pass = ActivationCount.Of(model.Decoder, lora, chosen, width);
        var logitSize = Math.Max(4, size);
        var marked = Math.Min(tokens, supervised ?? tokens);
        // A head that learns makes all logits at once, and autograd keeps their logarithms and makes two gradients.
        var isWhole = chosen.Contains(config.Spec.HeadName);
        var chunk = isWhole ? 4 * marked : Math.Min(marked, Math.Max(1, HeadLoss.ChunkBytes / (config.VocabularySize * logitSize)));
        // A half-precision model also holds the logits as the head made them and as the product takes them.
        var logits = chunk * config.VocabularySize * ((config.Spec.LogitSoftCap is null ? 1 : 3) * logitSize + (size < 4 ? size : 0)) + 3 * marked * config.HiddenSize * size;
        // With checkpointing all that is kept are the layers' inputs, and what one layer keeps is made again and soon gone.
        var isRecomputed = options.ActivationCheckpointing;
        var kept = isRecomputed ? new NumberCount((config.LayerCount + 1L) * config.HiddenSize, 0) : pass.Kept + new NumberCount(2L * config.HiddenSize, 0);
        var layer = isRecomputed ? pass.LargestLayer : default;
        var workspace = layer + pass.Passing;
        LinearLayer[] quantized = format == WeightFormat.Dense ? [] : [.. model.Decoder.LinearLayers()];
        var dequantized = quantized.Length == 0 ? 0 : quantized.Max(layer => layer.OutFeatures * layer.InFeatures) * size + PieceBytes(placement);
        var direction = penalty is null or { Projection: AlignmentProjection.None } ? 0 : adapted.Max(layer => AlignmentPenalty.PassingBytes(layer.OutFeatures, layer.InFeatures));
        return new()
        {
            Placement = placement,
            Format = format,
            Weights = (model.Weights().Sum(weight => weight.Value.numel()) + RotaryTables(config, width)) * size
                + quantized.Sum(layer => format.BytesOf(layer.OutFeatures, layer.InFeatures, size) - layer.OutFeatures * layer.InFeatures * size),
            Adapter = trained * adapterSize * (options.EarlyStoppingPatience is null ? 4 : 5),
            Direction = direction,
            Penalty = penalty is null ? 0 : adapted.Sum(layer => AlignmentPenalty.KeptBytes(layer.OutFeatures, layer.InFeatures, penalty, adapterSize > 4 ? ScalarType.Float64 : ScalarType.Float32)),
            Activations = (kept.All * tokens + ActivationCount.Masks(config, width)) * size + (isRecomputed ? 0 : pass.DropoutMasks * tokens),
            Logits = logits,
            Workspace = workspace.All * tokens * size + (isRecomputed ? pass.LargestDropoutMasks * tokens : 0),
            Dequantized = dequantized,
            Host = placement.Device.type == DeviceType.CPU ? 0 : Math.Max(direction, sizeof(float) * model.Weights().Max(weight => weight.Value.numel())),
            Held = Holes(config, placement, tokens * size, kept + layer, workspace, logits),
        };
    }

    /// <summary>Counts a run over given examples: the largest forward pass they can make.</summary>
    /// <param name="config">The model's shape.</param>
    /// <param name="lora">The adapter.</param>
    /// <param name="options">Options of the run.</param>
    /// <param name="penalty">Options of the penalty; null: there is none.</param>
    /// <param name="placement">Device and number format.</param>
    /// <param name="examples">At least one.</param>
    /// <param name="format">How the decoder's linear layers are held.</param>
    /// <exception cref="ArgumentException">There is no example, or a target module names no layer.</exception>
    public static MemoryPlan Of(ModelConfig config, LoraOptions lora, TrainingOptions options, AlignmentPenaltyOptions? penalty, ComputePlacement placement,
        IReadOnlyList<TokenizedExample> examples, WeightFormat format = WeightFormat.Dense)
    {
        ArgumentNullException.ThrowIfNull(options);
        ArgumentNullException.ThrowIfNull(examples);
        if (examples.Count == 0) throw new ArgumentException("There are no examples.", nameof(examples));
        var rows = Math.Min(Math.Min(options.MicroBatchSize ?? options.BatchSize, options.BatchSize), examples.Count);
        var supervised = examples.Select(TrainingBatch.SupervisedCount).OrderDescending().Take(rows).Sum(count => (long)count);
        return Of(config, lora, options, penalty, placement, rows, examples.Max(example => example.Ids.Length), supervised, format);
    }

    // What making numbers of codes takes beside the numbers: nothing where our own kernels write them in place; elsewhere indices, values, and the values once more.
    private static long PieceBytes(ComputePlacement placement) =>
        placement is { Device.type: DeviceType.CPU, DType: ScalarType.Float32 or ScalarType.BFloat16 } ? 0 : QuantizedMatrix.PieceNumbers * (2 + 2 * sizeof(float));

    private static long RotaryTables(ModelConfig config, int width) =>
        Enumerable.Range(0, config.LayerCount).Select(config.Spec.RotaryOf).OfType<RotarySpec>().Distinct()
            .Sum(rotary => 2 * RotaryEmbedding.Positions(width, config.MaxPositions) * RotaryEmbedding.Width(rotary, config.HeadSize));

    // Bytes that are free and yet resident: holes beside kept tensors, and a layer's workspace while the logits are made.
    private static long Holes(ModelConfig config, ComputePlacement placement, long width, NumberCount kept, NumberCount workspace, long logits)
    {
        if (placement.Device.type != DeviceType.CPU || !OperatingSystem.IsLinux()) return 0;
        long InHeap(NumberCount count) => width * ((width * config.HiddenSize < HeapMemory.LargestBlock ? count.Narrow : 0) + (width * config.IntermediateSize < HeapMemory.LargestBlock ? count.Wide : 0));
        return (long)(HolesPerKept * InHeap(kept)) + Math.Min(InHeap(workspace), logits);
    }

    private static long Bytes(ScalarType dtype) => dtype switch
    {
        ScalarType.BFloat16 or ScalarType.Float16 => 2,
        ScalarType.Float64 => 8,
        _ => 4,
    };

    /// <summary>A number of bytes, for people.</summary>
    internal static string Text(long bytes) => bytes < 1L << 30
        ? (bytes / (double)(1 << 20)).ToString("0.0", CultureInfo.InvariantCulture) + " MiB"
        : (bytes / (double)(1 << 30)).ToString("0.00", CultureInfo.InvariantCulture) + " GiB";
}
