using System.Collections.Concurrent;

namespace AsFT.Torch.Runtime;

/// <summary>
/// A folder for what is not finished, or needed for a while. It goes when it is disposed, at the latest when the process ends; after
/// a process that was killed, the next one that works in the same place removes it.
/// </summary>
/// <remarks>
/// The owner holds a file in it open, without sharing. The system lets go of that when the owner ends, however it ends; so no owner
/// that lives can be taken for gone, in another container with process numbers of its own neither.
/// </remarks>
internal sealed class PassingFolder : IDisposable
{
    private const string OwnerName = ".owner", ContentName = "content", TempPrefix = "asft-", PartialPrefix = ".partial-";

    private static readonly ConcurrentDictionary<PassingFolder, bool> Left = new();
    private static readonly Lazy<bool> SweptTemp = new(() =>
    {
        Sweep(System.IO.Path.GetTempPath(), TempPrefix);
        return true;
    });

    private readonly string _folder;
    private readonly FileStream _owner;

    static PassingFolder() => AppDomain.CurrentDomain.ProcessExit += (_, _) =>
    {
        foreach (var folder in Left.Keys) folder.Remove();
    };

    private PassingFolder(string folder)
    {
        _folder = folder;
        Path = System.IO.Path.Combine(folder, ContentName);
        _owner = new FileStream(System.IO.Path.Combine(folder, OwnerName), FileMode.CreateNew, FileAccess.ReadWrite, FileShare.None, bufferSize: 0);
        Directory.CreateDirectory(Path);
        Left[this] = true;
    }

    /// <summary>Full path of the folder to work in, empty at first.</summary>
    public string Path { get; }

    /// <summary>Makes one among the temporary files of the system, which no other user may read.</summary>
    /// <param name="purpose">A word for its name.</param>
    public static PassingFolder InTemp(string purpose)
    {
        _ = SweptTemp.Value;
        return Make(() => Directory.CreateTempSubdirectory($"{TempPrefix}{purpose}-").FullName);
    }

    /// <summary>Makes one within another folder, on the same disk: what is in it can be moved there by a rename.</summary>
    /// <param name="folder">A folder that is there.</param>
    public static PassingFolder Within(string folder)
    {
        ArgumentException.ThrowIfNullOrEmpty(folder);
        Sweep(folder, PartialPrefix);
        return Make(() => Directory.CreateDirectory(System.IO.Path.Combine(System.IO.Path.GetFullPath(folder), PartialPrefix + System.IO.Path.GetRandomFileName())).FullName);
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        // What cannot go now is tried again at the end.
        if (Remove()) Left.TryRemove(this, out _);
    }

    private static PassingFolder Make(Func<string> create)
    {
        // Between making the owner's file and holding it, another process may take it for one left behind.
        for (var attempt = 1; ; attempt++)
        {
            var folder = create();
            try
            {
                return new PassingFolder(folder);
            }
            catch (IOException) when (attempt < 3)
            {
                Delete(folder);
            }
        }
    }

    // Where a disk knows no locks, nobody can tell who lives, and all is left.
    private static void Sweep(string parent, string prefix)
    {
        foreach (var folder in Directory.EnumerateDirectories(parent, prefix + "*"))
            if (IsLeftBehind(System.IO.Path.Combine(folder, OwnerName))) Delete(folder);
    }

    private static bool IsLeftBehind(string ownerFile)
    {
        if (!File.Exists(ownerFile)) return false;
        try
        {
            using var first = new FileStream(ownerFile, FileMode.Open, FileAccess.ReadWrite, FileShare.None);
            return IsHeld(ownerFile);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            // Its owner lives, or it is another user's.
            return false;
        }
    }

    private static bool IsHeld(string file)
    {
        try
        {
            using var second = new FileStream(file, FileMode.Open, FileAccess.ReadWrite, FileShare.None);
            return false;
        }
        catch (IOException)
        {
            return true;
        }
    }

    private bool Remove()
    {
        _owner.Dispose();
        return Delete(_folder);
    }

    private static bool Delete(string folder)
    {
        try
        {
            if (Directory.Exists(folder)) Directory.Delete(folder, recursive: true);
            return true;
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            return false;
        }
    }
}
