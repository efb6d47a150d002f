using System.Text.Json.Serialization;
using AsFT.Torch.Checkpoints;
using AsFT.Torch.Input;

namespace AsFT.MLNet.Persistence;

/// <summary>One file of a model folder.</summary>
/// <param name="Name">File name, without folder.</param>
/// <param name="Size">Bytes.</param>
/// <param name="Sha256">Lower-case hexadecimal SHA-256 of the content.</param>
internal sealed record ModelFile(string Name, long Size, string Sha256);

/// <summary>What a saved transformer needs a model folder for, in messages.</summary>
/// <param name="Purpose">End of "the model …".</param>
/// <param name="LoadOption">Property of <see cref="AsftLoadOptions"/> that names another place.</param>
internal sealed record ModelRole(string Purpose, string LoadOption)
{
    /// <summary>The model below an adapter.</summary>
    public static ModelRole Aligned { get; } = new("this adapter was trained on", nameof(AsftLoadOptions.ModelPath));

    /// <summary>A model that answers as it is.</summary>
    public static ModelRole Answering { get; } = new("that answered here", nameof(AsftLoadOptions.ModelPath));

    /// <summary>A moderation model.</summary>
    public static ModelRole Judge { get; } = new("that judged harmfulness here", nameof(AsftLoadOptions.JudgeModelPath));
}

/// <summary>Which model folder an adapter belongs to: where it was, and what was in it.</summary>
/// <param name="Path">Full path where it is; in a zip that knows it by <paramref name="RelativePath"/>, or that carries it, its name alone.</param>
/// <param name="RelativePath">The same from the zip's folder, where <c>SaveAsft</c> wrote the zip; null elsewhere. Version 0.1 recorded it from the folder of the saving process.</param>
/// <param name="Files">Every file that the model's answers depend on, by name.</param>
internal sealed record ModelReference(string Path, string? RelativePath, IReadOnlyList<ModelFile> Files)
{
    /// <summary>
    /// Whether chat templates may come and go: version 0.1 read none and recorded none, so that one in the folder is no other model. Written again, for
    /// those files stay unrecorded.
    /// </summary>
    [JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingDefault)]
    public bool WithoutTemplates { get; init; }

    /// <summary>Bytes of all files.</summary>
    public long Size() => Files.Sum(file => file.Size);

    /// <summary>Describes a folder; reads and hashes all its files.</summary>
    public static ModelReference Of(string folder)
    {
        var full = System.IO.Path.GetFullPath(folder);
        return new ModelReference(full, null,
            [.. Names(full).Select(name => System.IO.Path.Combine(full, name)).Select(path => new ModelFile(System.IO.Path.GetFileName(path), InputFile.Length(path), InputFile.Sha256(path)))]);
    }

    /// <summary>The same model, found in another place.</summary>
    public ModelReference At(string folder) => this with { Path = System.IO.Path.GetFullPath(folder), RelativePath = null };

    /// <summary>As it is written into a zip: by its place from the zip's folder where that is known, else by its full path; of a model that the zip carries, the name alone.</summary>
    public ModelReference Recorded(bool isEmbedded)
    {
        if (isEmbedded) return this with { Path = PublicName.Of(Path), RelativePath = null };
        if (SavePlace.ZipFolder is not { } folder || !System.IO.Path.IsPathFullyQualified(Path)) return this;
        return this with { Path = PublicName.Of(Path), RelativePath = System.IO.Path.GetRelativePath(folder, Path).Replace('\\', '/') };
    }

    /// <summary>Names of the files in a folder that the model's answers depend on, sorted; other files may come and go.</summary>
    /// <exception cref="InvalidDataException">The folder has no weights, or damaged ones.</exception>
    public static IReadOnlyList<string> Names(string folder)
    {
        using var checkpoint = ModelCheckpoint.Open(folder);
        // Where there is the one file, the readers do not look at an index.
        var weights = checkpoint.Files.Select(path => System.IO.Path.GetFileName(path)).ToList();
        if (!weights.Contains(ModelCheckpoint.SingleFile)) weights.Add(ModelCheckpoint.IndexFile);
        return [.. weights.Concat(ModelFiles.BesideWeights.Where(name => File.Exists(System.IO.Path.Combine(folder, name)))).Order(StringComparer.Ordinal)];
    }

    /// <summary>Makes sure that a reference read from a zip names files of a model and nothing else, each once: names become paths.</summary>
    /// <param name="part">The zip and its part, in messages.</param>
    /// <exception cref="InvalidDataException">It names something else.</exception>
    public void CheckNames(string part)
    {
        if (string.IsNullOrEmpty(Path) || Files.Count == 0) throw new InvalidDataException($"'{part}' names no model folder, or no file of it.");
        var seen = new HashSet<string>(StringComparer.OrdinalIgnoreCase);
        foreach (var file in Files)
        {
            if (!RecordedPlace.IsName(file.Name) || !IsModelFile(file.Name))
                throw new InvalidDataException($"'{part}' names '{file.Name}' as a file of the model, which is none or leaves the model's folder.");
            if (!seen.Add(file.Name)) throw new InvalidDataException($"'{part}' names the file '{file.Name}' twice.");
            if (file.Size < 0 || string.IsNullOrEmpty(file.Sha256)) throw new InvalidDataException($"'{part}' does not tell size and SHA-256 of the file '{file.Name}'.");
        }
    }

    /// <summary>Compares names and sizes.</summary>
    /// <returns>The first difference; null: none.</returns>
    public string? Difference(string folder)
    {
        foreach (var file in Files)
        {
            var path = System.IO.Path.Combine(folder, file.Name);
            if (!File.Exists(path)) return $"'{file.Name}' is missing";
            if (InputFile.Length(path) is var length && length != file.Size) return $"'{file.Name}' has {length} bytes, not {file.Size}";
        }
        return Names(folder).FirstOrDefault(name => Files.All(file => file.Name != name) && !(WithoutTemplates && ModelFiles.Templates.Contains(name))) is { } added ? $"'{added}' was not there" : null;
    }

    /// <summary>Compares contents; reads all files.</summary>
    /// <returns>The first difference; null: none.</returns>
    public string? ContentDifference(string folder) =>
        Files.FirstOrDefault(file => InputFile.Sha256(System.IO.Path.Combine(folder, file.Name)) != file.Sha256) is { } changed ? $"the content of '{changed.Name}' differs (SHA-256)" : null;

    private static bool IsModelFile(string name) => name.EndsWith(".safetensors", StringComparison.Ordinal) || name == ModelCheckpoint.IndexFile || ModelFiles.BesideWeights.Contains(name);
}
