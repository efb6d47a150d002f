using AsFT.Torch.Runtime;

namespace AsFT.MLNet.Benchmarks.Harness;

/// <summary>What to measure and on what; a shape left null is chosen by <see cref="IsLong"/>.</summary>
public sealed record BenchSettings
{
    /// <summary>Device and number format of the models.</summary>
    public required ComputePlacement Placement { get; init; }

    /// <summary>Whether rows take the full shapes and more rounds; otherwise all of them together take less than five minutes on two cores.</summary>
    public bool IsLong { get; init; }

    /// <summary>Only rows or benchmarks whose name contains one of these, in any letter case; empty: all.</summary>
    public IReadOnlyList<string> Only { get; init; } = [];

    /// <summary>Width d of the training step's model, a multiple of 64.</summary>
    public int? Width { get; init; }

    /// <summary>Layers of the models.</summary>
    public int? Layers { get; init; }

    /// <summary>Sequences per training step.</summary>
    public int? Batch { get; init; }

    /// <summary>Tokens per sequence of the training step.</summary>
    public int? Sequence { get; init; }

    /// <summary>LoRA rank r.</summary>
    public int Rank { get; init; } = 8;

    /// <summary>Folder for checkpoints that are written, read and deleted again; null: the system's.</summary>
    public string? ScratchFolder { get; init; }

    /// <summary>Seconds that one comparison goes on for, but three rounds at least; null: 60 or 6.</summary>
    public double? Seconds { get; init; }

    /// <summary>Seconds that one comparison goes on for.</summary>
    public double SecondsPerComparison => Seconds ?? (IsLong ? 60 : 6);

    /// <summary>Checks every range.</summary>
    /// <exception cref="ArgumentOutOfRangeException">An option is out of its range; names it.</exception>
    public void Validate()
    {
        Require(Width is null or >= 64 && (Width ?? 64) % 64 == 0, Width, nameof(Width), "a positive multiple of 64");
        Require(Layers is null or >= 1, Layers, nameof(Layers), "at least 1");
        Require(Batch is null or >= 1, Batch, nameof(Batch), "at least 1");
        Require(Sequence is null or >= 2, Sequence, nameof(Sequence), "at least 2");
        Require(Seconds is null or > 0 and < double.PositiveInfinity, Seconds, nameof(Seconds), "a positive number");
        Require(Rank is >= 1 and <= 64, Rank, nameof(Rank), "in [1, 64]");
    }

    private static void Require(bool holds, object? value, string name, string wanted)
    {
        if (!holds) throw new ArgumentOutOfRangeException(name, value, $"{name} must be {wanted}.");
    }
}
