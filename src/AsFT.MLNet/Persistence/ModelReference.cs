using System.Security.Cryptography;
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

    /// <summary>A moderation model.</summary>
    public static ModelRole Judge { get; } = new("that judged harmfulness here", nameof(AsftLoadOptions.JudgeModelPath));
}

/// <summary>Which model folder an adapter belongs to: where it was, and what was in it.</summary>
/// <param name="Path">Full path when it was saved.</param>
/// <param name="RelativePath">The same from the current folder of the process that saved it.</param>
/// <param name="Files">Every file that the model's answers depend on, by name.</param>
internal sealed record ModelReference(string Path, string RelativePath, IReadOnlyList<ModelFile> Files)
{
    // What the config and tokenizer readers look at.
    private static readonly string[] SmallFiles =
    [
        "added_tokens.json", "config.json", "generation_config.json", "special_tokens_map.json", "tokenizer.json", "tokenizer.model", "tokenizer_config.json",
    ];

    /// <summary>Bytes of all files.</summary>
    public long Size() => Files.Sum(file => file.Size);

    /// <summary>Describes a folder; reads and hashes all its files.</summary>
    public static ModelReference Of(string folder)
    {
        var full = System.IO.Path.GetFullPath(folder);
        return new ModelReference(full, System.IO.Path.GetRelativePath(Directory.GetCurrentDirectory(), full),
            [.. Names(full).Select(name => System.IO.Path.Combine(full, name)).Select(path => new ModelFile(System.IO.Path.GetFileName(path), InputFile.Length(path), Hash(path)))]);
    }

    /// <summary>The same model, found in another place.</summary>
    public ModelReference At(string folder)
    {
        var full = System.IO.Path.GetFullPath(folder);
        return this with { Path = full, RelativePath = System.IO.Path.GetRelativePath(Directory.GetCurrentDirectory(), full) };
    }

    /// <summary>Names of the files in a folder that the model's answers depend on, sorted; other files may come and go.</summary>
    /// <exception cref="InvalidDataException">The folder has no weights, or damaged ones.</exception>
    public static IReadOnlyList<string> Names(string folder)
    {
        using var checkpoint = ModelCheckpoint.Open(folder);
        // Where there is the one file, the readers do not look at an index.
        var weights = checkpoint.Files.Select(path => System.IO.Path.GetFileName(path)).ToList();
        if (!weights.Contains(ModelCheckpoint.SingleFile)) weights.Add(ModelCheckpoint.IndexFile);
        return [.. weights.Concat(SmallFiles.Where(name => File.Exists(System.IO.Path.Combine(folder, name)))).Order(StringComparer.Ordinal)];
    }

    /// <summary>Compares names and sizes.</summary>
    /// <exception cref="InvalidDataException">The folder holds another model; names the first difference.</exception>
    public void CheckSizes(string folder, ModelRole role)
    {
        foreach (var file in Files)
        {
            var path = System.IO.Path.Combine(folder, file.Name);
            if (!File.Exists(path)) throw Changed(folder, role, $"'{file.Name}' is missing");
            if (InputFile.Length(path) is var bytes && bytes != file.Size) throw Changed(folder, role, $"'{file.Name}' has {bytes} bytes, not {file.Size}");
        }
        if (Names(folder).FirstOrDefault(name => Files.All(file => file.Name != name)) is { } added) throw Changed(folder, role, $"'{added}' was not there");
    }

    /// <summary>Compares contents; reads all files.</summary>
    /// <exception cref="InvalidDataException">The folder holds another model; names the first difference.</exception>
    public void CheckContents(string folder, ModelRole role)
    {
        foreach (var file in Files)
            if (Hash(System.IO.Path.Combine(folder, file.Name)) != file.Sha256) throw Changed(folder, role, $"the content of '{file.Name}' differs (SHA-256)");
    }

    private static InvalidDataException Changed(string folder, ModelRole role, string difference) =>
        new($"The model in '{folder}' is not the one {role.Purpose}: {difference}. Put the model back, or name its place with AsftLoadOptions.{role.LoadOption}.");

    private static string Hash(string path)
    {
        using var stream = InputFile.Open(path, FileOptions.SequentialScan, bufferSize: 1 << 20);
        return Convert.ToHexStringLower(SHA256.HashData(stream));
    }
}
