namespace AsFT.Torch.Runtime;

/// <summary>
/// Output that is whole or not there: it is written within the folder it is for, in a passing folder, flushed to disk and then renamed.
/// What a process that was killed left of it is removed by the next write into the same folder.
/// </summary>
internal static class AtomicOutput
{
    /// <summary>Writes one file.</summary>
    /// <param name="path">The final place; an older file there is replaced.</param>
    /// <param name="write">Writes the file at the path it is given, which ends in the file's own name.</param>
    public static void WriteFile(string path, Action<string> write)
    {
        ArgumentException.ThrowIfNullOrEmpty(path);
        ArgumentNullException.ThrowIfNull(write);
        var full = Path.GetFullPath(path);
        var folder = Path.GetDirectoryName(full)!;
        Directory.CreateDirectory(folder);
        using var passing = PassingFolder.Within(folder);
        var partial = Path.Combine(passing.Path, Path.GetFileName(full));
        write(partial);
        Flush(partial);
        File.Move(partial, full, overwrite: true);
    }

    /// <summary>
    /// Writes the files of one folder: one rename where the folder is not there yet. Into one that is there, files are renamed one by one;
    /// old ones of the same names go before the first new one comes, and weights come last, so that whatever breaks it off leaves
    /// no mixture of both that could be read. Files of other names stay.
    /// </summary>
    /// <param name="folder">The final place.</param>
    /// <param name="write">Writes the files into the folder it is given, without subfolders.</param>
    /// <param name="isReplaced">Names of further old files that go; null: none.</param>
    public static void WriteFolder(string folder, Action<string> write, Func<string, bool>? isReplaced = null)
    {
        ArgumentException.ThrowIfNullOrEmpty(folder);
        ArgumentNullException.ThrowIfNull(write);
        var full = Path.TrimEndingDirectorySeparator(Path.GetFullPath(folder));
        // A folder that is there may be a volume of its own: beside it lies another disk, or one that takes no files.
        var isThere = Directory.Exists(full);
        var place = isThere ? full : Path.GetDirectoryName(full)!;
        Directory.CreateDirectory(place);
        using var passing = PassingFolder.Within(place);
        write(passing.Path);
        string[] files = [.. Directory.GetFiles(passing.Path).OrderBy(Rank).ThenBy(name => name, StringComparer.Ordinal)];
        foreach (var file in files) Flush(file);
        if (!isThere)
        {
            Directory.Move(passing.Path, full);
            return;
        }
        foreach (var old in Directory.GetFiles(full))
        {
            var name = Path.GetFileName(old);
            if (isReplaced?.Invoke(name) == true || files.Any(file => Path.GetFileName(file) == name)) File.Delete(old);
        }
        foreach (var file in files) File.Move(file, Path.Combine(full, Path.GetFileName(file)));
    }

    // Without its weights, or the index that names their files, a folder is refused.
    private static int Rank(string file) => file.EndsWith(".safetensors.index.json", StringComparison.Ordinal) ? 2 : file.EndsWith(".safetensors", StringComparison.Ordinal) ? 1 : 0;

    // A rename may reach the disk before what was written: after a power failure the file would be there, and empty.
    private static void Flush(string file)
    {
        // Windows flushes for writers alone; a copy of a read-only file is one.
        if (OperatingSystem.IsWindows()) File.SetAttributes(file, FileAttributes.Normal);
        using var handle = File.OpenHandle(file, FileMode.Open, OperatingSystem.IsWindows() ? FileAccess.ReadWrite : FileAccess.Read);
        RandomAccess.FlushToDisk(handle);
    }
}
