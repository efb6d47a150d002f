using AsFT.Torch.Input;

using AsFT.Torch.Runtime;

namespace AsFT.MLNet.Persistence;

/// <summary>Model folders of saved transformers: found again by reference, or carried in the zip file by file.</summary>
internal static class ModelFolder
{
    private const string Prefix = "model_";

    /// <summary>Models up to this many bytes are hashed when the zip is loaded, larger ones when their weights are first used.</summary>
    public const long HashAtOnce = 1L << 30;

    /// <summary>The parts of a zip that carry a whole model folder.</summary>
    public static IEnumerable<KeyValuePair<string, Action<Stream>>> Parts(ModelReference model, string folder) => model.Files.Select(file =>
        new KeyValuePair<string, Action<Stream>>(Prefix + file.Name, stream =>
        {
            using var source = InputFile.Open(Path.Combine(folder, file.Name));
            source.CopyTo(stream);
        }));

    /// <summary>Unpacks a folder that <see cref="Parts"/> packed.</summary>
    public static PassingFolder Extract(Action<string, Action<Stream>> readPart, ModelReference model)
    {
        var folder = PassingFolder.InTemp("model");
        try
        {
            foreach (var file in model.Files)
            {
                readPart(Prefix + file.Name, stream =>
                {
                    using var target = File.Create(Path.Combine(folder.Path, file.Name));
                    stream.CopyTo(target);
                });
            }
            return folder;
        }
        catch
        {
            folder.Dispose();
            throw;
        }
    }

    /// <summary>Where the model is now.</summary>
    /// <param name="model">What was saved of it.</param>
    /// <param name="given">The place named on loading; null: looked for.</param>
    /// <param name="zipFolder">Folder of the zip, where it is known.</param>
    /// <param name="role">What it is for.</param>
    /// <exception cref="DirectoryNotFoundException">It is nowhere.</exception>
    public static string Find(ModelReference model, string? given, string? zipFolder, ModelRole role)
    {
        if (given is not null)
            return Directory.Exists(given) ? given : throw new DirectoryNotFoundException($"AsftLoadOptions.{role.LoadOption} is '{given}'; there is no such folder.");
        // Where it was; else as far from here, or from the zip, as it was from the process that saved it; else beside the zip.
        // Either separator: the zip may come from another system.
        var relative = model.RelativePath.Replace('\\', Path.DirectorySeparatorChar);
        List<string> places = [model.Path, Path.GetFullPath(relative)];
        if (zipFolder is not null)
        {
            places.Add(Path.GetFullPath(Path.Combine(zipFolder, relative)));
            places.Add(Path.Combine(zipFolder, model.Path.TrimEnd('/', '\\').Split('/', '\\')[^1]));
        }
        return places.FirstOrDefault(Directory.Exists) ?? throw new DirectoryNotFoundException(
            $"The model {role.Purpose} is not at '{model.Path}' any more. Load with mlContext.Model.LoadAsft and name its new place with AsftLoadOptions.{role.LoadOption}.");
    }

    /// <summary>File names become paths when a model is unpacked; none may leave the folder.</summary>
    /// <exception cref="InvalidDataException">One does.</exception>
    public static void CheckNames(ModelReference model, string part)
    {
        if (model.Files.FirstOrDefault(file => file.Name != Path.GetFileName(file.Name) || file.Name is "" or "." or "..") is { } strange)
            throw new InvalidDataException($"The model file's part '{part}' names the file '{strange.Name}', which leaves the model's folder.");
    }
}
