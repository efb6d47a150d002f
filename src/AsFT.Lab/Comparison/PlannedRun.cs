using System.Globalization;
using System.Security.Cryptography;
using System.Text;
using System.Text.Json;

namespace AsFT.Lab.Comparison;

/// <summary>A run that is to be done.</summary>
/// <param name="Setting">Method and knobs.</param>
/// <param name="Task">The task.</param>
/// <param name="Poison">Share of poison.</param>
/// <param name="Seed">Seed.</param>
/// <param name="Split">Development or report.</param>
internal sealed record PlannedRun(MethodSetting Setting, ComparisonTask Task, double Poison, long Seed, ComparisonSplit Split)
{
    /// <summary>Runs with the same key share one training, or none: a projection after training does not change it, and a model that is not tuned has no seed.</summary>
    public string TrainingKey => Setting.Method.Kind switch
    {
        MethodKind.NoTuning => Text("untuned"),
        MethodKind.Lora or MethodKind.SafeLora => Text("lora", Place, Setting.Adapter, Setting.Training),
        MethodKind.Asft => Text("asft", Place, Setting.Adapter, Setting.Training, Setting.Penalty),
        MethodKind.Lisa => Text("lisa", Place, Setting.Adapter, Setting.Training, Setting.Lisa),
        _ => Text("safeInstruct", Place, Setting.Adapter, Setting.Training, Setting.SafeInstruct),
    };

    /// <summary>Hash of all that decides the row.</summary>
    /// <param name="common">What all runs share: models, judge, decoding, data.</param>
    public string Key(string common)
    {
        var after = Setting.Method.Kind == MethodKind.SafeLora ? JsonSerializer.Serialize(Setting.SafeLora) : "";
        var text = string.Join('\n', common, TrainingKey, after, Setting.Method.Name, Setting.Label, Place);
        return Convert.ToHexStringLower(SHA256.HashData(Encoding.UTF8.GetBytes(text)))[..32];
    }

    private string Place => string.Create(CultureInfo.InvariantCulture, $"{Poison:R} {Seed}");

    private string Text(string kind, params object[] parts) =>
        string.Join('\n', [$"{Task.Name} {Split} {kind}", .. parts.Select(part => part as string ?? JsonSerializer.Serialize(part))]);
}
