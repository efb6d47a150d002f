namespace AsFT.Torch.Runtime;

/// <summary>Output that is whole or not there: it is written beside its place, or within a folder that is there, under a passing name, then renamed.</summary>
public static class AtomicOutput
{
    /// <summary>Writes one file.</summary>
    /// <param name="path">The final place; an older file there is replaced.</param>
    /// <param name="write">Writes the file at the path it is given.</param>
    public static void WriteFile(string path, Action<string> write)
    {
        ArgumentException.ThrowIfNullOrEmpty(path);
        ArgumentNullException.ThrowIfNull(write);
        var full = Path.GetFullPath(path);
        Directory.CreateDirectory(Path.GetDirectoryName(full)!);
        var partial = PartialName(full);
        try
        {
            write(partial);
            File.Move(partial, full, overwrite: true);
        }
        finally
        {
            File.Delete(partial);
        }
    }

    /// <summary>Writes the files of one folder; files of other names that the folder already holds stay.</summary>
    /// <param name="folder">The final place.</param>
    /// <param name="write">Writes the files into the folder it is given, without subfolders.</param>
    public static void WriteFolder(string folder, Action<string> write)
    {
        ArgumentException.ThrowIfNullOrEmpty(folder);
        ArgumentNullException.ThrowIfNull(write);
        var full = Path.TrimEndingDirectorySeparator(Path.GetFullPath(folder));
        // A folder that is there may be a volume of its own: beside it lies another disk, or one that takes no files.
        var partial = Directory.Exists(full) ? Path.Combine(full, $".partial-{Guid.NewGuid():N}") : PartialName(full);
        try
        {
            Directory.CreateDirectory(partial);
            write(partial);
            if (!Directory.Exists(full))
            {
                Directory.Move(partial, full);
                return;
            }
            foreach (var file in Directory.GetFiles(partial))
                File.Move(file, Path.Combine(full, Path.GetFileName(file)), overwrite: true);
        }
        finally
        {
            if (Directory.Exists(partial)) Directory.Delete(partial, recursive: true);
        }
    }

    private static string PartialName(string path) => $"{path}.partial-{Guid.NewGuid():N}";
}
