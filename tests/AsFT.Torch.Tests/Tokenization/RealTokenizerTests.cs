using System.Diagnostics;
using System.Text.Json;
using AsFT.Torch.Tests.Checkpoints;
using AsFT.Torch.Tokenization;

namespace AsFT.Torch.Tests.Tokenization;

/// <summary>Real tokenizers against the ids of the Rust library; where the folder of ASFT_REFERENCE holds them.</summary>
[Trait("Category", "Goldens")]
public sealed class RealTokenizerTests
{
    /// <summary>All that lie there, whatever their names.</summary>
    public static TheoryData<string> Names()
    {
        var folder = Reference.Folder is null ? null : Path.Combine(Reference.Folder, "real", "goldens", "tokenizers");
        string[] names = folder is not null && Directory.Exists(folder)
            ? [.. Directory.EnumerateFiles(folder, "*.json").Select(Path.GetFileNameWithoutExtension).Where(name => !name!.Contains('.', StringComparison.Ordinal) && name != "known_differences").Order(StringComparer.Ordinal)!]
            : [];
        return [.. names.DefaultIfEmpty("none")];
    }

    [Theory]
    [MemberData(nameof(Names))]
    public void Ids_and_texts_are_those_of_the_Rust_library(string name)
    {
        using var golden = Reference.Json("real", "goldens", "tokenizers", $"{name}.json");
        using var folder = Unpacked(name);
        var tokenizer = LanguageTokenizer.Load(folder.Path);
        var wrong = new List<string>();
        var root = golden.RootElement;
        var count = root.GetProperty("strings").GetArrayLength();
        for (var i = 0; i < count; i++)
        {
            var text = root.GetProperty("strings")[i].GetString()!;
            var expected = root.GetProperty("ids")[i].EnumerateArray().Select(id => id.GetInt32()).ToArray();
            var ids = tokenizer.Encode(text, out var ends);
            if (!ids.SequenceEqual(expected)) wrong.Add($"{JsonSerializer.Serialize(Shown(text))}: {string.Join(' ', ids.Take(40))} instead of {string.Join(' ', expected.Take(40))}");
            else if (tokenizer.Decode(ids, skipSpecialTokens: false) != root.GetProperty("decoded")[i].GetString()) wrong.Add($"decoded {JsonSerializer.Serialize(Shown(tokenizer.Decode(ids)))} instead of {JsonSerializer.Serialize(Shown(root.GetProperty("decoded")[i].GetString()!))}");
            if (ids.Count > 0 && (ends[^1] != text.Length || ends.Zip(ends.Skip(1)).Any(pair => pair.First > pair.Second))) wrong.Add($"{JsonSerializer.Serialize(Shown(text))}: ends {string.Join(' ', ends.Take(40))}");
        }
        Assert.True(wrong.Count == 0, $"{wrong.Count} of {count} differ:\n{string.Join('\n', wrong.Take(15))}");
    }

    [Theory]
    [MemberData(nameof(Names))]
    public void Half_a_surrogate_pair_counts_as_U_FFFD(string name)
    {
        using var golden = Reference.Json("real", "goldens", "tokenizers", $"{name}.lone_surrogates.json");
        using var folder = Unpacked(name);
        var tokenizer = LanguageTokenizer.Load(folder.Path);
        var root = golden.RootElement;
        foreach (var (units, ids) in root.GetProperty("utf16").EnumerateArray().Zip(root.GetProperty("ids").EnumerateArray()))
            Assert.Equal(ids.EnumerateArray().Select(id => id.GetInt32()), tokenizer.Encode(new string([.. units.EnumerateArray().Select(unit => (char)unit.GetInt32())])));
    }

    private static string Shown(string text) => text.Length > 60 ? text[..60] + "…" : text;

    // tokenizers/NAME.tar.xz; tar and xz are on every machine that has the reference data.
    private static TemporaryFolder Unpacked(string name)
    {
        var archive = Reference.File("real", "tokenizers", $"{name}.tar.xz");
        var folder = new TemporaryFolder();
        using var tar = Process.Start(new ProcessStartInfo("tar", ["xf", archive, "-C", folder.Path, "--strip-components=1"]))!;
        tar.WaitForExit();
        Assert.Equal(0, tar.ExitCode);
        return folder;
    }
}
