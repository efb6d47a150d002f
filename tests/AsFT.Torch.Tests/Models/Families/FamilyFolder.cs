using System.IO.Compression;
using System.Text.Json;
using AsFT.Torch.Checkpoints;
using AsFT.Torch.Tests.Checkpoints;

namespace AsFT.Torch.Tests.Models.Families;

/// <summary>
/// A family's tiny checkpoints with numbers from transformers and PEFT: of <c>families/</c> in the folder that ASFT_REFERENCE names, or of the
/// copies packed in <c>tests/data/families</c>, which hold less.
/// </summary>
internal sealed class FamilyFolder : IDisposable
{
    private static readonly string? Reference = Environment.GetEnvironmentVariable("ASFT_REFERENCE") is { Length: > 0 } root && Directory.Exists(System.IO.Path.Combine(root, "families"))
        ? System.IO.Path.GetFullPath(System.IO.Path.Combine(root, "families")) : null;
    private static readonly string Packed = System.IO.Path.Combine(TestData.Root, "families");

    private readonly TemporaryFolder? _unpacked;

    private FamilyFolder(string path, TemporaryFolder? unpacked)
    {
        (Path, _unpacked) = (path, unpacked);
        Golden = JsonDocument.Parse(File.ReadAllBytes(this["golden.json"])).RootElement;
        Tensors = SafetensorsFile.Open(this["golden.safetensors"]);
        Rows = [.. Golden.GetProperty("rows").EnumerateArray().Append(Golden.GetProperty("long")).Select(row => row.EnumerateArray().Select(id => id.GetInt32()).ToArray())];
    }

    /// <summary>The families in this repository.</summary>
    public static IEnumerable<string> PackedNames() => Directory.EnumerateFiles(Packed, "*.zip").Select(file => System.IO.Path.GetFileNameWithoutExtension(file)).Order(StringComparer.Ordinal);

    /// <summary>Every family there is.</summary>
    public static TheoryData<string> Names() =>
    [
        .. PackedNames()
            .Union(Reference is null ? [] : Directory.EnumerateDirectories(Reference).Select(folder => System.IO.Path.GetFileName(folder))).Order(StringComparer.Ordinal),
    ];

    /// <summary>Every family that has a base model and training curves.</summary>
    public static IReadOnlyList<string> TrainedNames() => [.. Names().Select(row => row.Data).Where(name =>
    {
        using var family = Open(name);
        return Directory.Exists(family["base"]);
    })];

    public static FamilyFolder Open(string name)
    {
        if (Reference is not null && Directory.Exists(System.IO.Path.Combine(Reference, name))) return new(System.IO.Path.Combine(Reference, name), null);
        var folder = new TemporaryFolder();
        ZipFile.ExtractToDirectory(System.IO.Path.Combine(Packed, name + ".zip"), folder.Path);
        return new(folder.Path, folder);
    }

    public string Path { get; }

    public string this[string file] => System.IO.Path.Combine(Path, file);

    public JsonElement Golden { get; }

    public SafetensorsFile Tensors { get; }

    /// <summary>The rows, and the long one last.</summary>
    public IReadOnlyList<int[]> Rows { get; }

    /// <summary>The aligned model's folder, its config in the layout that most files on the Hub have.</summary>
    public TemporaryFolder WithHubConfig()
    {
        var folder = new TemporaryFolder();
        foreach (var file in Directory.EnumerateFiles(this["aligned"]))
            if (System.IO.Path.GetExtension(file) is ".safetensors" || System.IO.Path.GetFileName(file) == "generation_config.json") File.Copy(file, folder[System.IO.Path.GetFileName(file)]);
        File.Copy(this["hub-config.json"], folder["config.json"]);
        return folder;
    }

    /// <summary>Greedy ids of a row up to the first step at which two tokens are too close to tell.</summary>
    public int[] Greedy(int row)
    {
        var sure = Golden.GetProperty($"greedy_margin.{row}").EnumerateArray().TakeWhile(margin => margin.GetDouble() >= 1e-3).Count();
        return [.. Golden.GetProperty($"greedy.{row}").EnumerateArray().Take(sure).Select(id => id.GetInt32())];
    }

    public void Dispose()
    {
        Tensors.Dispose();
        _unpacked?.Dispose();
    }
}
