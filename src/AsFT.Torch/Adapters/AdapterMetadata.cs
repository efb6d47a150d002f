using System.Globalization;
using System.Security.Cryptography;
using System.Text;
using System.Text.Json;
using AsFT.Torch.Checkpoints;
using AsFT.Torch.Input;
using AsFT.Torch.Models;

namespace AsFT.Torch.Adapters;

/// <summary>
/// What an adapter's weight file says of itself in its <c>__metadata__</c>: which model it was trained on, and which configuration
/// it belongs to. <c>adapter_config.json</c> is no place for it: older PEFT refuses fields it does not know.
/// </summary>
internal static class AdapterMetadata
{
    public const string ModelKey = "asft_base_model", ConfigKey = "asft_adapter_config", FormatKey = "asft_weight_format";

    // Fields that change nothing of what trained weights mean; whoever publishes an adapter, or trains it further, may edit them.
    private static readonly string[] Descriptive = ["auto_mapping", "base_model_name_or_path", "inference_mode", "init_lora_weights", "lora_dropout", "peft_version", "revision", "task_type"];

    public static Dictionary<string, string> Of(LoraAdapter adapter, string config)
    {
        using var document = JsonDocument.Parse(config);
        return new() { ["format"] = "pt", [ModelKey] = adapter.ModelFingerprint, [ConfigKey] = Digest(document.RootElement), [FormatKey] = adapter.WeightFormat.ToString() };
    }

    /// <summary>Hash that tells a model by the matrices that an adapter changes.</summary>
    public static string Fingerprint(IEnumerable<LinearLayer> targets) =>
        WeightSample.Digest(targets.Select(layer => (layer.Name, layer.OutFeatures, layer.InFeatures, layer.Sample())));

    /// <summary>Whether the layers are those that an adapter was trained on; null where its file does not tell.</summary>
    public static bool? IsOf(SafetensorsFile weights, IEnumerable<LinearLayer> targets) =>
        weights.Metadata.TryGetValue(ModelKey, out var made) ? made == Fingerprint(targets) : null;

    /// <summary>How the weights below the adapter were held while it was trained; null where the file does not tell.</summary>
    public static WeightFormat? FormatOf(SafetensorsFile weights) =>
        Enum.TryParse<WeightFormat>(weights.Metadata.GetValueOrDefault(FormatKey), out var format) && Enum.IsDefined(format) ? format : null;

    /// <summary>Makes sure that weights and configuration were written together, where the weights tell.</summary>
    /// <exception cref="InvalidDataException">They were not.</exception>
    public static void CheckConfig(SafetensorsFile weights, string configPath)
    {
        if (!weights.Metadata.TryGetValue(ConfigKey, out var expected)) return;
        using var document = JsonInput.Open(configPath);
        if (Digest(document.RootElement) != expected)
            throw new InvalidDataException($"'{configPath}' is not the configuration that '{weights.Path}' was written with, so its scale may be wrong: "
                + "a save was broken off, a file copied alone, or the configuration edited. Save the adapter again, or put back the file that belongs to it.");
    }

    // The same for the same content, however the file is laid out.
    private static string Digest(JsonElement config)
    {
        var text = new StringBuilder();
        Append(text, config, isRoot: true);
        return Convert.ToHexStringLower(SHA256.HashData(Encoding.UTF8.GetBytes(text.ToString())));
    }

    private static void Append(StringBuilder text, JsonElement element, bool isRoot = false)
    {
        switch (element.ValueKind)
        {
            case JsonValueKind.Object:
                text.Append('{');
                foreach (var field in element.EnumerateObject().Where(field => !isRoot || !Descriptive.Contains(field.Name)).OrderBy(field => field.Name, StringComparer.Ordinal))
                {
                    text.Append(JsonSerializer.Serialize(field.Name)).Append(':');
                    Append(text, field.Value);
                    text.Append(',');
                }
                text.Append('}');
                break;
            case JsonValueKind.Array:
                text.Append('[');
                foreach (var item in element.EnumerateArray())
                {
                    Append(text, item);
                    text.Append(',');
                }
                text.Append(']');
                break;
            case JsonValueKind.Number:
                text.Append(element.GetDouble().ToString("R", CultureInfo.InvariantCulture));
                break;
            case JsonValueKind.String:
                text.Append(JsonSerializer.Serialize(element.GetString()));
                break;
            default:
                text.Append(element.GetRawText());
                break;
        }
    }
}
