using AsFT.Torch.Adapters;
using AsFT.Torch.Models;
using AsFT.Torch.Tests.Checkpoints;

namespace AsFT.Torch.Tests.Input;

/// <summary>What coverage-guided fuzzing once broke a reader with.</summary>
public class FuzzedFilesTests
{
    public static TheoryData<string> Files => [.. Directory.GetFiles(Path.Combine(TestData.Root, "fuzz")).Select(path => Path.GetFileName(path)).Order(StringComparer.Ordinal)];

    [Theory]
    [MemberData(nameof(Files))]
    public void A_damaged_config_is_refused_by_its_file(string file)
    {
        using var folder = new TemporaryFolder();
        var (name, read) = file.StartsWith("adapter", StringComparison.Ordinal)
            ? ("adapter_config.json", (Action)(() => LoraAdapter.ReadOptions(folder.Path)))
            : ("config.json", () => ModelConfig.Load(folder.Path));
        File.Copy(Path.Combine(TestData.Root, "fuzz", file), folder[name]);
        Assert.Contains(folder[name], Assert.Throws<InvalidDataException>(read).Message, StringComparison.Ordinal);
    }
}
