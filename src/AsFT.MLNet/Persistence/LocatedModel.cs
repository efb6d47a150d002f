using AsFT.Torch.Input;
using AsFT.Torch.Runtime;

namespace AsFT.MLNet.Persistence;

/// <summary>The model folder of a saved transformer: found again by reference, or unpacked where the zip carries it; checked to be the one that was saved.</summary>
internal sealed class LocatedModel : IDisposable
{
    private const string Prefix = "model_";

    // Models up to this many bytes are hashed when the zip is loaded, larger ones when their weights are first used.
    private const long HashAtOnce = 1L << 30;

    private readonly ModelReference _recorded;
    private readonly ModelRole _role;
    private readonly bool _isNamed;
    private bool _isChecked;

    private LocatedModel(ModelReference recorded, ModelRole role, string folder, bool isNamed, PassingFolder? extracted)
    {
        (_recorded, _role, Folder, _isNamed, Extracted) = (recorded, role, folder, isNamed, extracted);
        // Saved again, the zip names the place where the model lies now; a passing folder is no such place.
        Reference = extracted is null ? recorded.At(folder) : recorded;
    }

    /// <summary>Where it is.</summary>
    public string Folder { get; }

    /// <summary>What is in it.</summary>
    public ModelReference Reference { get; }

    /// <summary>The folder, where it is a passing one that goes with the model.</summary>
    public PassingFolder? Extracted { get; }

    /// <summary>The parts of a zip that carry a whole model folder.</summary>
    public static IEnumerable<KeyValuePair<string, Action<Stream>>> Parts(ModelReference model, string folder) => model.Files.Select(file =>
        new KeyValuePair<string, Action<Stream>>(Prefix + file.Name, stream =>
        {
            using var source = InputFile.Open(Path.Combine(folder, file.Name));
            source.CopyTo(stream);
        }));

    /// <summary>Finds or unpacks a model, and compares names, sizes and, of smaller ones, contents.</summary>
    /// <param name="parts">The zip.</param>
    /// <param name="recorded">What was saved of it.</param>
    /// <param name="isEmbedded">Whether the zip carries it.</param>
    /// <param name="given">The place named on loading; null: looked for.</param>
    /// <param name="loading">What else the caller says.</param>
    /// <param name="role">What it is for.</param>
    /// <exception cref="DirectoryNotFoundException">It is nowhere.</exception>
    /// <exception cref="InvalidDataException">It is another model.</exception>
    public static LocatedModel Open(SavedParts parts, ModelReference recorded, bool isEmbedded, string? given, AsftLoadOptions loading, ModelRole role)
    {
        var model = given is not null ? Given(recorded, given, role)
            : isEmbedded ? Unpacked(parts, recorded, role)
            : new LocatedModel(recorded, role, ModelPlaces.Find(recorded, loading, role), isNamed: false, null);
        try
        {
            if (recorded.Difference(model.Folder) is { } difference) throw model.Changed(difference);
            if (recorded.Size() <= HashAtOnce) model.CheckContents();
            return model;
        }
        catch
        {
            model.Dispose();
            throw;
        }
    }

    /// <summary>Compares what a zip records of a model with the parts that carry it; unpacks nothing.</summary>
    /// <exception cref="InvalidDataException">A part is missing, or of another size.</exception>
    public static void CheckEmbedded(SavedParts parts, ModelReference recorded)
    {
        foreach (var file in recorded.Files)
            if (parts.Length(Prefix + file.Name) is var length && length != file.Size)
                throw new InvalidDataException($"'{parts.Name(Prefix + file.Name)}' {(length is null ? "is not there" : $"has {length} bytes, not the {file.Size} that are recorded of it")}.");
    }

    /// <summary>Compares contents, unless that was done.</summary>
    /// <exception cref="InvalidDataException">It is another model.</exception>
    public void CheckContents()
    {
        if (_isChecked) return;
        if (_recorded.ContentDifference(Folder) is { } difference) throw Changed(difference);
        _isChecked = true;
    }

    public void Dispose() => Extracted?.Dispose();

    private static LocatedModel Given(ModelReference recorded, string folder, ModelRole role) => Directory.Exists(folder)
        ? new LocatedModel(recorded, role, folder, isNamed: true, null)
        : throw new DirectoryNotFoundException($"AsftLoadOptions.{role.LoadOption} is '{folder}'; there is no such folder.");

    private static LocatedModel Unpacked(SavedParts parts, ModelReference recorded, ModelRole role)
    {
        // Before the first byte is written.
        CheckEmbedded(parts, recorded);
        var folder = PassingFolder.InTemp("model");
        try
        {
            foreach (var file in recorded.Files) parts.Extract(Prefix + file.Name, Path.Combine(folder.Path, file.Name), file.Size);
            return new LocatedModel(recorded, role, folder.Path, isNamed: true, folder);
        }
        catch
        {
            folder.Dispose();
            throw;
        }
    }

    // Of a place that the file chose, nothing is told: a file could else be made to ask a disk about itself.
    private InvalidDataException Changed(string difference) => new(
        $"The model in '{Folder}' is not the one {_role.Purpose}{(_isNamed ? $": {difference}" : "")}. Put the model back, or name its place with AsftLoadOptions.{_role.LoadOption}"
        + $"{(_isNamed ? "" : " (mlContext.Model.LoadAsft), which also tells what differs")}.");
}
