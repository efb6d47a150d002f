namespace AsFT.Torch.Runtime;

/// <summary>Folders of the user who runs the process. Any of them may be missing or closed to writing: containers often run under an id without a home.</summary>
internal static class UserFolders
{
    /// <summary>Our own, for what can be made again; not created here.</summary>
    public static string Cache => Path.Combine(
        Environment.GetFolderPath(Environment.SpecialFolder.LocalApplicationData, Environment.SpecialFolderOption.DoNotVerify) is { Length: > 0 } user ? user : Path.GetTempPath(),
        "AsFT.MLNet");

    /// <summary>NuGet's package cache.</summary>
    public static string NuGetPackages => Environment.GetEnvironmentVariable("NUGET_PACKAGES") is { Length: > 0 } chosen
        ? chosen
        : Path.Combine(Environment.GetFolderPath(Environment.SpecialFolder.UserProfile, Environment.SpecialFolderOption.DoNotVerify), ".nuget", "packages");
}
