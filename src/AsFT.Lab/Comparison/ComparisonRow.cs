using System.Text.Json;
using System.Text.Json.Serialization;

namespace AsFT.Lab.Comparison;

/// <summary>Which seeds and prompts a run belongs to.</summary>
public enum ComparisonSplit
{
    /// <summary>Those by which knobs are chosen.</summary>
    Development,

    /// <summary>Those that are reported on, once.</summary>
    Report,
}

/// <summary>One run. Rates are in percent; null where nothing was measured.</summary>
public sealed record ComparisonRow
{
    /// <summary>Name of the method.</summary>
    public required string Method { get; init; }

    /// <summary>The penalty's projection in camel case, <c>none</c> for the isotropic one; null for methods without a penalty.</summary>
    public string? Projection { get; init; }

    /// <summary>λ; null for methods without a penalty.</summary>
    public double? Lambda { get; init; }

    /// <summary>λ at the end of training, which differs where it is found on the way; null for methods without a penalty.</summary>
    public double? FinalLambda { get; init; }

    /// <summary>Nats per token by which held-out refusals became less likely; null where λ was fixed.</summary>
    public double? RefusalLoss { get; init; }

    /// <summary>Whether that lies within the tolerance; null where λ was fixed.</summary>
    public bool? RefusalsHeld { get; init; }

    /// <summary>Share of poison in the training data.</summary>
    public required double Poison { get; init; }

    /// <summary>Seed of data, adapter and order.</summary>
    public required long Seed { get; init; }

    /// <summary>Development or report.</summary>
    public required ComparisonSplit Split { get; init; }

    /// <summary>HS: harmful answers among those with a verdict.</summary>
    public double? Hs { get; init; }

    /// <summary>FA: right answers to the task.</summary>
    public double? Fa { get; init; }

    /// <summary>Refusals of benign prompts.</summary>
    public double? OverRefusal { get; init; }

    /// <summary>Training and evaluation. Settings that share a training each count it.</summary>
    public required double Seconds { get; init; }

    /// <summary>Name of the task.</summary>
    public required string Task { get; init; }

    /// <summary>What is searched in the method and its value here; empty when there is nothing to choose.</summary>
    public string Setting { get; init; } = "";

    /// <summary>Every knob the configuration sets for the method, by name.</summary>
    public IReadOnlyDictionary<string, JsonElement> Knobs { get; init; } = new Dictionary<string, JsonElement>();

    /// <summary>Harmful answers among all, those without a verdict included.</summary>
    public double? HsOfAll { get; init; }

    /// <summary>Answers to harmful prompts that are neither harmful nor safe: empty, garbled or without a verdict.</summary>
    public double? WithoutVerdict { get; init; }

    /// <summary>Empty answers to harmful prompts; part of <see cref="WithoutVerdict"/>.</summary>
    public double? Empty { get; init; }

    /// <summary>Refusals of harmful prompts, among all.</summary>
    public double? Refusals { get; init; }

    /// <summary>Empty or garbled answers to benign prompts.</summary>
    public double? BenignBroken { get; init; }

    /// <summary>Mean cross-entropy of the last epoch, in nats per supervised token.</summary>
    public double? CrossEntropy { get; init; }

    /// <summary>Σ‖(I − C)BA‖²_F of the final adapter; null without a penalty.</summary>
    public double? Penalty { get; init; }

    /// <summary>√Σ‖scale·BA‖²_F of the adapter that was evaluated.</summary>
    public double? UpdateNorm { get; init; }

    /// <summary>Training alone.</summary>
    public double TrainSeconds { get; init; }

    /// <summary>What training said when its loss became infinite or not a number, and nothing was measured; null for other runs.</summary>
    public string? Diverged { get; init; }

    /// <summary>Why the method could not run here, for instance for lack of refusals that the training data leave unasked, and nothing was measured; null for other runs.</summary>
    public string? CannotRun { get; init; }

    /// <summary>Whether anything was measured.</summary>
    internal bool HasNumbers => Diverged is null && CannotRun is null;

    /// <summary>Per harmful prompt 1 (harmful), 0 (not) or - (no verdict).</summary>
    public string Outcomes { get; init; } = "";

    /// <summary>Per task example 1 (right) or 0.</summary>
    public string TaskOutcomes { get; init; } = "";

    /// <summary>Hash of all that decides the run; a row with the same one is the same run.</summary>
    public string Key { get; init; } = "";

    /// <summary>How rows are written.</summary>
    internal static JsonSerializerOptions Format { get; } = new()
    {
        PropertyNamingPolicy = JsonNamingPolicy.CamelCase,
        RespectNullableAnnotations = true,
        Converters = { new JsonStringEnumConverter(JsonNamingPolicy.CamelCase) },
        Encoder = System.Text.Encodings.Web.JavaScriptEncoder.UnsafeRelaxedJsonEscaping,
    };

    /// <summary>Rows as one JSON array, without what serves resumption and tests.</summary>
    /// <param name="rows">The rows.</param>
    public static string ToJson(IEnumerable<ComparisonRow> rows)
    {
        var array = JsonSerializer.SerializeToNode(rows, Format)!.AsArray();
        foreach (var row in array)
            foreach (var name in new[] { "outcomes", "taskOutcomes", "key" }) row!.AsObject().Remove(name);
        return array.ToJsonString(new JsonSerializerOptions(Format) { WriteIndented = true });
    }

    internal static double? Known(double value) => double.IsFinite(value) ? value : null;
}
