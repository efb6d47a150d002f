using AsFT.Torch.Runtime;

namespace AsFT.Lab.Basin;

/// <summary>Where the tensors lie that a scan needs beside the model.</summary>
public enum BasinStorage
{
    /// <summary>In host memory: what was aligned, what was base (each as large as the moved weights), and one random direction in float32.</summary>
    Host,

    /// <summary>On the model's device, which is fastest where they fit.</summary>
    Device,

    /// <summary>
    /// Only the aligned weights are held, in host memory, so that they can be put back whatever happens. The base is read from disk,
    /// and random numbers are drawn again, for every point: slow, but a scan takes no more than the moved weights and a few matrices.
    /// </summary>
    Streamed,
}

/// <summary>Which weights a scan moves, along which directions and how far.</summary>
public sealed record BasinOptions
{
    /// <summary>First coordinate of every axis, in multiples of the direction's length: −1 along D is the base model, 0 the aligned one. From −1000 to 1000.</summary>
    public double From { get; init; } = -1.25;

    /// <summary>Last coordinate of every axis.</summary>
    public double To { get; init; } = 1.25;

    /// <summary>Evenly spaced points of a line, at least 2. The base (−1) and the aligned model (0) are added where the grid misses them.</summary>
    public int Points { get; init; } = 21;

    /// <summary>Random directions, at least 0; each gets a line, and the first one is the second axis of the surface.</summary>
    public int RandomDirections { get; init; } = 3;

    /// <summary>Evenly spaced points of each axis of a surface (D × first random direction), at least 2; 0: no surface.</summary>
    public int SurfacePoints { get; init; }

    /// <summary>Seed of the random directions; the same seed gives the same directions on every device.</summary>
    public long Seed { get; init; } = 1;

    /// <summary>Decoder layers whose weights are moved, from 0; null: no restriction.</summary>
    public IReadOnlyList<int>? Layers { get; init; }

    /// <summary>Linear layers whose matrices are moved, as <see cref="Torch.Adapters.TargetModules"/> names them; null: every weight, embeddings, norms, head and biases included.</summary>
    public IReadOnlyList<string>? TargetModules { get; init; }

    /// <summary>Where tensors lie between points.</summary>
    public BasinStorage Storage { get; init; }

    /// <summary>Checks the ranges.</summary>
    /// <exception cref="ArgumentException">An option is out of its range; names it.</exception>
    public void Validate()
    {
        OptionRange.BasinCoordinate.Check(From, nameof(From));
        OptionRange.BasinCoordinate.Check(To, nameof(To));
        Require(To > From, nameof(To), To, $"above From ({From})");
        Require(Points >= 2, nameof(Points), Points, "at least 2");
        Require(RandomDirections >= 0, nameof(RandomDirections), RandomDirections, "at least 0");
        Require(SurfacePoints is 0 or >= 2, nameof(SurfacePoints), SurfacePoints, "0 (no surface) or at least 2");
        Require(SurfacePoints == 0 || RandomDirections > 0, nameof(RandomDirections), RandomDirections, "at least 1 for a surface, whose second axis it is");
        Require(Enum.IsDefined(Storage), nameof(Storage), Storage, string.Join(", ", Enum.GetNames<BasinStorage>()));
        Require(Layers is null or { Count: > 0 }, nameof(Layers), "empty", "at least one layer, or null");
    }

    private static void Require(bool holds, string option, object value, string wanted)
    {
        if (!holds) throw new ArgumentOutOfRangeException(option, value, $"{option} must be {wanted}.");
    }

    /// <summary>Evenly spaced coordinates; −1 and 0 are exact where the grid meets them.</summary>
    internal static double[] Grid(double from, double to, int points, params ReadOnlySpan<double> always)
    {
        SortedSet<double> grid = [];
        for (var i = 0; i < points; i++) grid.Add(Snap(from + (to - from) * i / (points - 1)));
        foreach (var point in always) grid.Add(point);
        return [.. grid];

        static double Snap(double x) => Math.Abs(x) < 1e-9 ? 0 : Math.Abs(x + 1) < 1e-9 ? -1 : x;
    }
}
