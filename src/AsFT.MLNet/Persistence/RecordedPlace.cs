namespace AsFT.MLNet.Persistence;

/// <summary>
/// Which paths that a file names may be looked at. Whoever made the file chose them: a share or a device would be contacted by the
/// mere question whether it is there.
/// </summary>
internal static class RecordedPlace
{
    private static readonly string[] DosDevices =
        ["con", "prn", "aux", "nul", "conin$", "conout$", .. Enumerable.Range(0, 10).SelectMany(i => new[] { $"com{i}", $"lpt{i}" })];

    // Devices, the kernel's windows, and what an automounter takes for the name of a machine.
    private static readonly string[] UnixRoots = ["dev", "proc", "sys", "net"];

    /// <summary>Whether a full path names a local folder, told by its text alone.</summary>
    /// <param name="path">The path.</param>
    /// <param name="isWindows">By which system's rules.</param>
    public static bool IsLocal(string path, bool isWindows)
    {
        // \\server\share, //server/share, \\?\…, \\.\… and the kernel's \??\…, on whatever system.
        if (path.Length < 2 || path.Contains('\0') || IsSeparator(path[0]) && (IsSeparator(path[1]) || path[1] == '?')) return false;
        return isWindows ? IsLocalOnWindows(path) : IsLocalOnUnix(path);
    }

    /// <summary>Whether a text is a plain name of a file or folder, on every system.</summary>
    public static bool IsName(string? text) =>
        !string.IsNullOrWhiteSpace(text) && text is not ("." or "..") && text.IndexOfAny(['/', '\\', ':', '\0']) < 0 && !IsDosDevice(text);

    private static bool IsLocalOnWindows(string path)
    {
        if (path.Length < 3 || !char.IsAsciiLetter(path[0]) || path[1] != ':' || !IsSeparator(path[2])) return false;
        // A further colon names a stream of a file.
        return !path[2..].Contains(':') && !path[2..].Split('/', '\\').Any(IsDosDevice);
    }

    private static bool IsLocalOnUnix(string path)
    {
        if (path[0] != '/') return false;
        List<string> parts = [];
        foreach (var part in path.Split('/'))
        {
            if (part == ".." && parts.Count > 0) parts.RemoveAt(parts.Count - 1);
            else if (part is not ("" or "." or "..")) parts.Add(part);
        }
        return parts.Count > 0 && !UnixRoots.Contains(parts[0]);
    }

    private static bool IsDosDevice(string part) => DosDevices.Contains(part.Split('.')[0].Trim().ToLowerInvariant());

    private static bool IsSeparator(char c) => c is '/' or '\\';
}
