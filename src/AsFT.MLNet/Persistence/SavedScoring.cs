using System.Text.Json;
using System.Text.Json.Serialization;
using AsFT.MLNet.Scoring;
using AsFT.Torch.Input;
using AsFT.Torch.Runtime;
using AsFT.Torch.Safety.Judges;
using Microsoft.Extensions.AI;
using Microsoft.ML;

namespace AsFT.MLNet.Persistence;

/// <summary>What a model.zip holds of a scoring transformer besides a classifier and, on request, the moderation model: one JSON part.</summary>
/// <param name="Options">All options that can be saved, the judge's among them.</param>
/// <param name="Categories">The judge's categories.</param>
/// <param name="Model">The moderation model's folder; null for other judges.</param>
/// <param name="IsModelEmbedded">Whether that model's files are parts of the zip too.</param>
/// <param name="Result">How the judge's training went, where it was trained here.</param>
internal sealed record SavedScoring(ScoreHarmfulnessOptions Options, IReadOnlyList<string> Categories, ModelReference? Model, bool IsModelEmbedded, JudgeTrainingResult? Result)
{
    public const string PartName = "harmfulness.json";
    public const string ClassifierName = "classifier.zip";

    // 0, where none is written: version 0.1.
    private const int CurrentFormat = 1;

    /// <summary>Version of what this part means.</summary>
    public int Format { get; init; }

    private static readonly JsonSerializerOptions Json = new()
    {
        WriteIndented = true,
        RespectNullableAnnotations = true,
        NumberHandling = JsonNumberHandling.AllowNamedFloatingPointLiterals,
        Converters = { new JsonStringEnumConverter(), new ChatOptionsConverter() },
    };

    /// <summary>The parts of the zip, in order.</summary>
    public static IEnumerable<KeyValuePair<string, Action<Stream>>> Parts(ScoreHarmfulnessOptions options, JudgeSource source, JudgeTrainingResult? result)
    {
        var isEmbedded = options.Judge is ModerationModelOptions { SaveWholeModel: true };
        var saved = new SavedScoring(options, source.Categories, source.Model?.Reference.Value, isEmbedded, result) { Format = CurrentFormat };
        var written = saved with { Options = options.WithoutPlaces(), Model = saved.Model?.Recorded(isEmbedded) };
        yield return new(PartName, stream => JsonSerializer.Serialize(stream, written, Json));
        if (source.Classifier is { } classifier) yield return new(ClassifierName, stream => WriteClassifier(classifier, stream));
        if (!isEmbedded) yield break;
        foreach (var part in LocatedModel.Parts(saved.Model!, source.Model!.Folder)) yield return part;
    }

    /// <summary>Reads the JSON part.</summary>
    /// <exception cref="InvalidDataException">It is damaged.</exception>
    public static SavedScoring Read(SavedParts parts)
    {
        var name = parts.Name(PartName);
        var saved = JsonInput.Read<SavedScoring>(parts.ReadBytes(PartName, SavedParts.MaxTextBytes), name, Json);
        if (saved is not { Options.Judge: not null, Categories.Count: > 0 }) throw new InvalidDataException($"'{name}' lacks the options, the judge or its categories.");
        if (saved.Options.Judge is ModerationModelOptions != saved.Model is { Files: not null }) throw new InvalidDataException($"'{name}' holds a moderation model without its folder, or a folder without one.");
        parts.CheckFormat(PartName, saved.Format, CurrentFormat);
        saved.Model?.CheckNames(name);
        // There was no such option then; the judge is asked as it was.
        if (saved.Format > 0) return saved;
        saved.Options.ContextColumnName = null;
        return saved with { Model = saved.Model is { } model ? model with { WithoutTemplates = true } : null };
    }

    // Through a file, for ML.NET writes a zip that it must seek in, and a classifier may be large.
    private static void WriteClassifier(ClassifierJudge classifier, Stream stream)
    {
        using var folder = PassingFolder.InTemp("classifier");
        var path = Path.Combine(folder.Path, ClassifierName);
        new MLContext().Model.Save(classifier.Model, classifier.InputSchema, path);
        using var source = File.OpenRead(path);
        source.CopyTo(stream);
    }

    // The library of IChatClient knows how its settings are written.
    private sealed class ChatOptionsConverter : JsonConverter<ChatOptions>
    {
        public override ChatOptions? Read(ref Utf8JsonReader reader, Type typeToConvert, JsonSerializerOptions options) =>
            JsonSerializer.Deserialize<ChatOptions>(ref reader, AIJsonUtilities.DefaultOptions);

        public override void Write(Utf8JsonWriter writer, ChatOptions value, JsonSerializerOptions options) =>
            JsonSerializer.Serialize(writer, value, AIJsonUtilities.DefaultOptions);
    }
}
