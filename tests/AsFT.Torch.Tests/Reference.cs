using System.Text.Json;

namespace AsFT.Torch.Tests;

/// <summary>The folder of reference data that ASFT_REFERENCE names. Tests that need what it alone holds are skipped without it, and say so.</summary>
internal static class Reference
{
    public static string? Folder { get; } = Environment.GetEnvironmentVariable("ASFT_REFERENCE") is { Length: > 0 } folder ? folder : null;

    /// <summary>A file of it; skips the test where it is not there.</summary>
    public static string File(params string[] path)
    {
        var file = Folder is null ? null : Path.Combine([Folder, .. path]);
        Assert.SkipUnless(System.IO.File.Exists(file), $"{string.Join('/', path)} is not there: ASFT_REFERENCE is {(Folder is null ? "not set" : $"'{Folder}'")}.");
        return file!;
    }

    public static JsonDocument Json(params string[] path) => JsonDocument.Parse(System.IO.File.ReadAllBytes(File(path)));
}
