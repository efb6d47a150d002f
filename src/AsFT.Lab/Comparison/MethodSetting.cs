using System.Text.Json;
using AsFT.Lab.Methods.Lisa;
using AsFT.Lab.Methods.SafeInstruct;
using AsFT.Lab.Methods.SafeLora;
using AsFT.Torch.Adapters;
using AsFT.Torch.Alignment;
using AsFT.Torch.Training;

namespace AsFT.Lab.Comparison;

/// <summary>One point of a method's grid: all options bound.</summary>
public sealed record MethodSetting
{
    private const string Lambda = "lambda";

    /// <summary>The method.</summary>
    public required ComparisonMethod Method { get; init; }

    /// <summary>The searched and fixed knobs and their values, as written.</summary>
    public required IReadOnlyDictionary<string, JsonElement> Knobs { get; init; }

    /// <summary>The penalty; used by AsFT alone.</summary>
    public AlignmentPenaltyOptions Penalty { get; init; } = new();

    /// <summary>Training, λ included.</summary>
    public TrainingOptions Training { get; init; } = new();

    /// <summary>The adapter.</summary>
    public LoraOptions Adapter { get; init; } = new();

    /// <summary>Safe LoRA's choice of layers.</summary>
    public SafeLoraOptions SafeLora { get; init; } = new();

    /// <summary>Lisa's turns.</summary>
    public LisaOptions Lisa { get; init; } = new();

    /// <summary>Refusals mixed in.</summary>
    public SafeInstructOptions SafeInstruct { get; init; } = new();

    /// <summary>Whether the alignment direction is needed.</summary>
    public bool NeedsDirection => Method.Kind == MethodKind.SafeLora || Method.Kind == MethodKind.Asft && Penalty.Projection != AlignmentProjection.None;

    /// <summary>The knobs that are searched, such as <c>lambda = 3</c>; empty when there is nothing to choose.</summary>
    public string Label { get; init; } = "";

    /// <summary>All points of a method's grid, in the order of the lists.</summary>
    /// <param name="config">Gives adapter and training where the method does not.</param>
    /// <param name="method">The method.</param>
    /// <exception cref="InvalidDataException">A knob does not exist, or its value is of the wrong kind.</exception>
    /// <exception cref="ArgumentException">A value is out of range.</exception>
    public static IReadOnlyList<MethodSetting> Expand(ComparisonConfig config, ComparisonMethod method)
    {
        ArgumentNullException.ThrowIfNull(config);
        ArgumentNullException.ThrowIfNull(method);
        IEnumerable<Dictionary<string, JsonElement>> points = [[]];
        var searched = new List<string>();
        foreach (var (knob, value) in method.Settings)
        {
            var values = Values(method, knob, value);
            if (values.Count > 1) searched.Add(knob);
            points = points.SelectMany(point => values.Select(v => new Dictionary<string, JsonElement>(point) { [knob] = v }));
        }
        return [.. points.Select(point => Bind(config, method, point) with { Label = string.Join(", ", searched.Select(knob => $"{knob} = {Shown(point[knob])}")) })];
    }

    private static MethodSetting Bind(ComparisonConfig config, ComparisonMethod method, Dictionary<string, JsonElement> knobs)
    {
        var where = $"methods: '{method.Name}'";
        // λ = 0 unless it is set: a method without a penalty must not depend on a default.
        var setting = new MethodSetting { Method = method, Knobs = knobs, Adapter = config.Adapter, Training = config.Training with { PenaltyWeight = 0 } };
        foreach (var (knob, value) in knobs)
        {
            var (section, option) = Split(method, knob);
            setting = section switch
            {
                "penalty" => setting with { Penalty = StrictJson.With(setting.Penalty, option, value, where) },
                "training" => setting with { Training = StrictJson.With(setting.Training, option, value, where) },
                "adapter" => setting with { Adapter = StrictJson.With(setting.Adapter, option, value, where) },
                "safeLora" => setting with { SafeLora = StrictJson.With(setting.SafeLora, option, value, where) },
                "lisa" => setting with { Lisa = StrictJson.With(setting.Lisa, option, value, where) },
                _ => setting with { SafeInstruct = StrictJson.With(setting.SafeInstruct, option, value, where) },
            };
        }
        try
        {
            setting.Training.Validate();
            setting.Adapter.Validate();
            setting.Lisa.Validate();
            setting.Penalty.Validate();
            setting.SafeLora.Validate();
        }
        catch (ArgumentException e)
        {
            throw new ArgumentException($"{where}: {e.Message}", e);
        }
        if (method.Kind == MethodKind.Asft && !knobs.Keys.Any(knob => Split(method, knob) == Split(method, Lambda)))
            throw new ArgumentException($"{where} has neither lambda nor training.penaltyWeight; with λ = 0 it would be plain LoRA.");
        if (!(setting.SafeInstruct.Share >= 0 && double.IsFinite(setting.SafeInstruct.Share))) throw new ArgumentException($"{where}: safeInstruct.share must be a number of at least 0.");
        if (setting.Training.EarlyStoppingPatience is not null) throw new ArgumentException($"{where}: training.earlyStoppingPatience has no place in a comparison; there are no validation data.");
        if (method.Kind != MethodKind.Asft && setting.Training.RefusalTolerance is not null) throw new ArgumentException($"{where}: training.refusalTolerance steers the penalty, which only a method of kind asft has.");
        if (knobs.Keys.Any(knob => knob.Equals("training.seed", StringComparison.OrdinalIgnoreCase))) throw new ArgumentException($"{where}: training.seed has no place here; seeds are those of developmentSeeds and reportSeeds.");
        if (setting.Training.CheckpointFolder is not null) throw new ArgumentException($"{where}: training.checkpointFolder has no place in a comparison.");
        return setting;
    }

    private static (string Section, string Option) Split(ComparisonMethod method, string knob)
    {
        if (knob == Lambda) return ("training", StrictJson.Camel(nameof(TrainingOptions.PenaltyWeight)));
        var dot = knob.IndexOf('.', StringComparison.Ordinal);
        var section = dot < 0 ? "" : knob[..dot];
        string[] known = method.Kind switch
        {
            MethodKind.NoTuning => [],
            MethodKind.Asft => ["penalty", "training", "adapter"],
            MethodKind.SafeLora => ["safeLora", "training", "adapter"],
            MethodKind.SafeInstruct => ["safeInstruct", "training", "adapter"],
            MethodKind.Lisa => ["lisa", "training", "adapter"],
            _ => ["training", "adapter"],
        };
        if (!known.Contains(section))
            throw new InvalidDataException($"methods: '{method.Name}': there is no knob '{knob}'; a method of kind {StrictJson.Camel($"{method.Kind}")} has {(known.Length == 0 ? "none" : string.Join(", ", known.Select(s => s + ".…")))}{(method.Kind == MethodKind.Asft ? " and lambda" : "")}.");
        return (section, knob[(dot + 1)..]);
    }

    private static IReadOnlyList<JsonElement> Values(ComparisonMethod method, string knob, JsonElement value)
    {
        var (section, option) = Split(method, knob);
        var type = StrictJson.TypeOf(section switch
        {
            "penalty" => typeof(AlignmentPenaltyOptions),
            "training" => typeof(TrainingOptions),
            "adapter" => typeof(LoraOptions),
            "safeLora" => typeof(SafeLoraOptions),
            "lisa" => typeof(LisaOptions),
            _ => typeof(SafeInstructOptions),
        }, option, $"methods: '{method.Name}'");
        if (value.ValueKind != JsonValueKind.Array) return [value];
        // An option that is a list itself is searched by a list of lists.
        if (StrictJson.IsList(type) && !value.EnumerateArray().All(v => v.ValueKind == JsonValueKind.Array)) return [value];
        if (value.GetArrayLength() == 0) throw new InvalidDataException($"methods: '{method.Name}': {knob} is an empty list.");
        return [.. value.EnumerateArray()];
    }

    // Numbers as they are written: a rounded one would stand for two settings.
    private static string Shown(JsonElement value) => value.ToString();
}
