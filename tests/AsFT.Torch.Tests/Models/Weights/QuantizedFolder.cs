using System.IO.Compression;
using System.Text.Json;
using AsFT.Torch.Checkpoints;
using AsFT.Torch.Tests.Checkpoints;

namespace AsFT.Torch.Tests.Models.Weights;

/// <summary>Matrices that bitsandbytes quantised: of <c>quantised/</c> in the folder that ASFT_REFERENCE names, or of the two packed in <c>tests/data</c>.</summary>
internal sealed class QuantizedFolder : IDisposable
{
    private readonly TemporaryFolder? _unpacked;
    private readonly string _path;

    public QuantizedFolder()
    {
        _path = AsFT.Torch.Tests.Reference.Folder is { } reference ? Path.Combine(reference, "quantised") : "";
        if (!File.Exists(Path.Combine(_path, "quantised.json")))
        {
            _unpacked = new TemporaryFolder();
            ZipFile.ExtractToDirectory(Path.Combine(TestData.Root, "quantised.zip"), _unpacked.Path);
            _path = _unpacked.Path;
        }
        Tensors = SafetensorsFile.Open(Path.Combine(_path, "quantised.safetensors"));
    }

    public SafetensorsFile Tensors { get; }

    /// <summary>Names of the matrices and how each was quantised.</summary>
    public static TheoryData<string, string> Cases()
    {
        using var folder = new QuantizedFolder();
        using var document = JsonDocument.Parse(File.ReadAllBytes(Path.Combine(folder._path, "quantised.json")));
        var data = new TheoryData<string, string>();
        foreach (var one in document.RootElement.GetProperty("cases").EnumerateArray())
        {
            var key = one.GetProperty("key").GetString()!;
            data.Add(key[..key.LastIndexOf('.')], key[(key.LastIndexOf('.') + 1)..]);
        }
        return data;
    }

    public void Dispose()
    {
        Tensors.Dispose();
        _unpacked?.Dispose();
    }
}
