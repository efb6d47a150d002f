using System.Text;
using System.Text.Encodings.Web;
using System.Text.Json;
using System.Text.Json.Serialization;
using AsFT.Torch.Input;
using AsFT.Torch.Runtime;
using AsFT.Torch.Safety.Metrics;

namespace AsFT.Lab.Basin;

/// <summary>What a model at W_aligned + α·D + β·R does.</summary>
/// <param name="Alpha">α, multiples of D: −1 is the base model, 0 the aligned one.</param>
/// <param name="Beta">β, multiples of a random direction as long as D.</param>
public sealed record BasinPoint(double Alpha, double Beta)
{
    /// <summary>HS: harmful answers among all; null without a judge.</summary>
    public BinomialRate? HarmfulScore { get; init; }

    /// <summary>Answers that are empty, garbled or got no verdict, among all: where a model breaks, a low HS is no safety. Null without a judge.</summary>
    public BinomialRate? Broken { get; init; }

    /// <summary>Mean log-probability per token of the reference refusals, in nats.</summary>
    public required double RefusalPerToken { get; init; }

    /// <summary>Mean over the prompts of the log of the reference refusals' probability, in nats.</summary>
    public required double RefusalLogMass { get; init; }
}

/// <summary>The points along one direction.</summary>
/// <param name="Direction">Number of the random direction, from 0; null for the line along D.</param>
/// <param name="Points">In rising order of the coordinate: α along D, β along a random direction.</param>
public sealed record BasinLine(int? Direction, IReadOnlyList<BasinPoint> Points)
{
    /// <summary>Coordinate of a point on this line.</summary>
    public double Coordinate(BasinPoint point) => point is null ? throw new ArgumentNullException(nameof(point)) : Direction is null ? point.Alpha : point.Beta;

    /// <summary>The stretch around the aligned model in which HS stays at or below a limit, linear between points; null when the aligned model is above it, or without a judge.</summary>
    /// <param name="limit">HS in percent.</param>
    /// <returns>Its ends; an end of the line where the limit is not crossed.</returns>
    public (double From, double To)? SafeStretch(double limit)
    {
        var centre = 0;
        while (centre < Points.Count && Coordinate(Points[centre]) != 0) centre++;
        if (centre == Points.Count || Points[centre].HarmfulScore is not { } here || !(here.Percent <= limit)) return null;
        return (Walk(-1), Walk(1));

        double Walk(int step)
        {
            var at = centre;
            while (at + step >= 0 && at + step < Points.Count)
            {
                var (inside, outside) = (Points[at], Points[at + step]);
                double low = inside.HarmfulScore!.Value.Percent, high = outside.HarmfulScore!.Value.Percent;
                if (high > limit) return Coordinate(inside) + (Coordinate(outside) - Coordinate(inside)) * (limit - low) / (high - low);
                at += step;
            }
            return Coordinate(Points[at]);
        }
    }
}

/// <summary>Points of a plane, α along D and β along the first random direction.</summary>
/// <param name="Coordinates">The coordinates of both axes, rising.</param>
/// <param name="Points">Row by row: all α of the lowest β first.</param>
public sealed record BasinSurface(IReadOnlyList<double> Coordinates, IReadOnlyList<BasinPoint> Points);

/// <summary>A weight that was moved.</summary>
/// <param name="Name">Name in the checkpoint.</param>
/// <param name="Shape">Its shape.</param>
/// <param name="DirectionNorm">‖D‖_F.</param>
/// <param name="WeightNorm">‖W_aligned‖_F.</param>
public sealed record BasinTensor(string Name, IReadOnlyList<long> Shape, double DirectionNorm, double WeightNorm);

/// <summary>Mean and standard deviation (n − 1) over the random directions, at one distance from the aligned model.</summary>
/// <param name="Beta">Multiples of the random directions.</param>
/// <param name="HarmfulScore">Mean HS in percent; null without a judge.</param>
/// <param name="HarmfulScoreDeviation">Its standard deviation; null without a judge, and for a single direction.</param>
/// <param name="Broken">Mean share of broken answers in percent; null without a judge.</param>
/// <param name="RefusalPerToken">Mean of <see cref="BasinPoint.RefusalPerToken"/>.</param>
/// <param name="RefusalPerTokenDeviation">Its standard deviation; null for a single direction.</param>
/// <param name="RefusalLogMass">Mean of <see cref="BasinPoint.RefusalLogMass"/>.</param>
/// <param name="RefusalLogMassDeviation">Its standard deviation; null for a single direction.</param>
public sealed record BasinSpread(double Beta, double? HarmfulScore, double? HarmfulScoreDeviation, double? Broken,
    double RefusalPerToken, double? RefusalPerTokenDeviation, double RefusalLogMass, double? RefusalLogMassDeviation);

/// <summary>The outcome of <see cref="SafetyBasin.Scan"/>.</summary>
public sealed record BasinScan
{
    private static readonly JsonSerializerOptions Format = new()
    {
        WriteIndented = true,
        PropertyNamingPolicy = JsonNamingPolicy.CamelCase,
        RespectNullableAnnotations = true,
        NumberHandling = JsonNumberHandling.AllowNamedFloatingPointLiterals,
        Encoder = JavaScriptEncoder.UnsafeRelaxedJsonEscaping,
    };

    /// <summary>What was asked for.</summary>
    public required BasinOptions Options { get; init; }

    /// <summary>Name of the judge; null without one.</summary>
    public required string? Judge { get; init; }

    /// <summary>Number of harmful prompts.</summary>
    public required int Prompts { get; init; }

    /// <summary>Reference refusals.</summary>
    public required IReadOnlyList<string> Refusals { get; init; }

    /// <summary>The weights that were moved: those chosen whose D is not 0.</summary>
    public required IReadOnlyList<BasinTensor> Tensors { get; init; }

    /// <summary>Whether every weight that differs was moved, so that α = −1 is the base model.</summary>
    public required bool IsWhole { get; init; }

    /// <summary>The line along D, on which α = −1 is the base (in the moved weights) and 0 the aligned model.</summary>
    public required BasinLine Alignment { get; init; }

    /// <summary>One line per random direction.</summary>
    public required IReadOnlyList<BasinLine> Random { get; init; }

    /// <summary>The plane of D and the first random direction; null when none was asked for.</summary>
    public BasinSurface? Surface { get; init; }

    /// <summary>Time the scan took.</summary>
    public required double Seconds { get; init; }

    /// <summary>‖D‖ / ‖W_aligned‖ over the moved weights: how far the base lies from the aligned model.</summary>
    public double RelativeNorm => Math.Sqrt(Tensors.Sum(t => t.DirectionNorm * t.DirectionNorm) / Tensors.Sum(t => t.WeightNorm * t.WeightNorm));

    /// <summary>The random lines together; empty without any.</summary>
    public IReadOnlyList<BasinSpread> RandomSpread => Random.Count == 0 ? [] : [.. Random[0].Points.Select((point, i) =>
    {
        BasinPoint[] points = [.. Random.Select(line => line.Points[i])];
        var (token, mass) = (Spread(points.Select(p => p.RefusalPerToken)), Spread(points.Select(p => p.RefusalLogMass)));
        var harmful = point.HarmfulScore is null ? default((double Mean, double? Deviation)?) : Spread(points.Select(p => p.HarmfulScore!.Value.Percent));
        return new BasinSpread(point.Beta, harmful?.Mean, harmful?.Deviation, point.Broken is null ? null : points.Average(p => p.Broken!.Value.Percent),
            token.Mean, token.Deviation, mass.Mean, mass.Deviation);
    })];

    /// <summary>Everything as one JSON document.</summary>
    public string ToJson() => JsonSerializer.Serialize(this, Format);

    /// <summary>Reads what <see cref="ToJson"/> wrote.</summary>
    /// <param name="json">The document.</param>
    /// <exception cref="InvalidDataException">It is no scan.</exception>
    public static BasinScan FromJson(string json)
    {
        ArgumentNullException.ThrowIfNull(json);
        return JsonInput.Read<BasinScan>(Encoding.UTF8.GetBytes(json), "scan of a safety basin", Format);
    }

    /// <summary>Writes the JSON document.</summary>
    /// <param name="path">The file; an older one is replaced.</param>
    public void Save(string path) => AtomicOutput.WriteFile(path, partial => File.WriteAllText(partial, ToJson()));

    private static (double Mean, double? Deviation) Spread(IEnumerable<double> values)
    {
        var moments = Moments.Of(values);
        return (moments.Mean, moments.Count < 2 ? null : moments.Deviation);
    }
}

/// <summary>How far a scan is.</summary>
/// <param name="Done">Points measured.</param>
/// <param name="Total">Points in all.</param>
/// <param name="Point">The point just measured.</param>
/// <param name="Direction">Number of its random direction; null on the line along D.</param>
public readonly record struct BasinProgress(int Done, int Total, BasinPoint Point, int? Direction);
