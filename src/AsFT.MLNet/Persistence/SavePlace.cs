namespace AsFT.MLNet.Persistence;

/// <summary>The folder of the zip that is being saved, in this flow of control; ML.NET's own saving has no room for it.</summary>
internal static class SavePlace
{
    private static readonly AsyncLocal<string?> Ambient = new();

    /// <summary>Full path; null where it is not known.</summary>
    public static string? ZipFolder => Ambient.Value;

    /// <summary>Makes a folder the current one while an action runs.</summary>
    public static void Use(string zipFolder, Action action)
    {
        var before = Ambient.Value;
        Ambient.Value = zipFolder;
        try
        {
            action();
        }
        finally
        {
            Ambient.Value = before;
        }
    }
}
