using System.Text.Json;
using System.Text.Json.Serialization;
using AsFT.Torch.Input;
using AsFT.Torch.Training;

namespace AsFT.MLNet.Persistence;

/// <summary>What a model.zip holds of a fine-tuned transformer besides the adapter and, on request, the model: one JSON part.</summary>
/// <param name="Options">All options, the template and the generation settings among them.</param>
/// <param name="Model">The model folder.</param>
/// <param name="IsModelEmbedded">Whether the model's files are parts of the zip too.</param>
/// <param name="Result">How the training went; null: nothing was trained here.</param>
internal sealed record SavedFineTune(AsftFineTuneOptions Options, ModelReference Model, bool IsModelEmbedded, TrainingResult? Result)
{
    public const string PartName = "asft.json";

    // 0, where none is written: version 0.1.
    private const int CurrentFormat = 1;

    /// <summary>How options are written.</summary>
    internal static readonly JsonSerializerOptions Json = new()
    {
        WriteIndented = true,
        RespectNullableAnnotations = true,
        NumberHandling = JsonNumberHandling.AllowNamedFloatingPointLiterals,
        Converters = { new JsonStringEnumConverter() },
    };

    /// <summary>Version of what this part means.</summary>
    public int Format { get; init; }

    /// <summary>Whether the model answers as it is, so that the zip has no adapter.</summary>
    [JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingDefault)]
    public bool WithoutAdapter { get; init; }

    /// <summary>What the model folder is for.</summary>
    [JsonIgnore]
    public ModelRole Role => WithoutAdapter ? ModelRole.Answering : ModelRole.Aligned;

    /// <summary>The parts of the zip, in order.</summary>
    /// <param name="adapter">The adapter; null: none.</param>
    /// <param name="folder">Where the model lies.</param>
    public IEnumerable<KeyValuePair<string, Action<Stream>>> Parts(AdapterFiles? adapter, string folder)
    {
        var written = this with { Format = CurrentFormat, Options = Options.WithoutPlaces(), Model = Model.Recorded(IsModelEmbedded), WithoutAdapter = adapter is null };
        yield return new(PartName, stream => JsonSerializer.Serialize(stream, written, Json));
        if (adapter is not null)
        {
            yield return new(AdapterFiles.ConfigName, stream => stream.Write(adapter.Config));
            yield return new(AdapterFiles.WeightsName, stream => stream.Write(adapter.Weights));
        }
        if (!IsModelEmbedded) yield break;
        foreach (var part in LocatedModel.Parts(Model, folder)) yield return part;
    }

    /// <summary>Reads the JSON part.</summary>
    /// <exception cref="InvalidDataException">It is damaged.</exception>
    public static SavedFineTune Read(SavedParts parts)
    {
        var name = parts.Name(PartName);
        var saved = JsonInput.Read<SavedFineTune>(parts.ReadBytes(PartName, SavedParts.MaxTextBytes), name, Json);
        if (saved is not { Options: not null, Model.Files: not null }) throw new InvalidDataException($"'{name}' lacks the options or the model.");
        parts.CheckFormat(PartName, saved.Format, CurrentFormat);
        saved.Model.CheckNames(name);
        if (saved.Format == 0) saved = saved with { Model = saved.Model with { WithoutTemplates = true } };
        // No column was read by that name.
        if (saved.Format == 0) saved.Options.MessagesColumnName = null;
        // The plain template put a context on the next line then, that of Llama 3 wrote no beginning; the model is asked as it was trained.
        if (saved.Format == 0 && saved.Options.Template.ToLowerInvariant() is "plain" or "llama3") saved.Options.Template = $"{saved.Options.Template.ToLowerInvariant()}-0.1";
        return saved;
    }
}
