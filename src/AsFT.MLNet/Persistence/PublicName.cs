namespace AsFT.MLNet.Persistence;

/// <summary>What is written of a path into files that people publish: a name, not how somebody's disk is laid out.</summary>
internal static class PublicName
{
    private const string HubFolder = "models--";

    /// <summary>The Hub's name of a model that lies in the Hub's cache (<c>models--ORG--NAME/snapshots/REVISION</c>), else the last part of the path.</summary>
    public static string Of(string path)
    {
        var parts = path.Split(['/', '\\'], StringSplitOptions.RemoveEmptyEntries);
        if (parts.Length == 0) return path;
        return parts is [.., var model, "snapshots", _] && model.StartsWith(HubFolder, StringComparison.Ordinal)
            ? model[HubFolder.Length..].Replace("--", "/", StringComparison.Ordinal)
            : parts[^1];
    }
}
