namespace AsFT.MLNet.FineTuning;

/// <summary>Finds out before the work whether its result can be written.</summary>
internal static class OutputProbe
{
    /// <summary>Writes a passing file into the folder, and beside one that is not there yet; leaves nothing, not even a folder that was not there.</summary>
    /// <param name="folder">The folder that is to be written.</param>
    /// <param name="option">The option that names it.</param>
    /// <exception cref="IOException">The folder cannot be made or written to; names option and folder.</exception>
    public static void Check(string folder, string option)
    {
        var full = Path.TrimEndingDirectorySeparator(Path.GetFullPath(folder));
        List<string> missing = [];
        for (var parent = full; parent is not null && !Directory.Exists(parent); parent = Path.GetDirectoryName(parent)) missing.Add(parent);
        try
        {
            Directory.CreateDirectory(full);
            Touch(full);
            // New folders are written under a passing name beside their place.
            if (missing.Count > 0 && Path.GetDirectoryName(full) is { } above) Touch(above);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            throw new IOException($"{option} is '{folder}', which cannot be written to: {e.Message}", e);
        }
        finally
        {
            foreach (var made in missing)
                if (Directory.Exists(made) && !Directory.EnumerateFileSystemEntries(made).Any()) Directory.Delete(made);
        }
    }

    private static void Touch(string folder)
    {
        var probe = Path.Combine(folder, $".probe-{Guid.NewGuid():N}");
        File.WriteAllBytes(probe, []);
        File.Delete(probe);
    }
}
