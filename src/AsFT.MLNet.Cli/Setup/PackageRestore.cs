using System.Text.Json;
using System.Text.RegularExpressions;
using System.Xml.Linq;
using AsFT.Torch.Runtime;

namespace AsFT.MLNet.Cli.Setup;

/// <summary>
/// A NuGet package and what it depends on, got from the user's own sources. The SDK does it, by building a project that names the
/// package: it knows sources, credentials and proxies, checks signatures, and runs the packages' own build steps, by which CUDA's
/// libraries, too large for one package, are put together.
/// </summary>
internal sealed partial class PackageRestore : IDisposable
{
    private const string ProjectName = "setup";

    private readonly PassingFolder _folder = PassingFolder.InTemp("setup");

    /// <summary>One package in NuGet's cache.</summary>
    internal sealed record Package(string Id, string Version, string Folder)
    {
        public string Archive => Path.Combine(Folder, $"{Id.ToLowerInvariant()}.{Version.ToLowerInvariant()}.nupkg");
    }

    public IReadOnlyList<Package> Packages { get; }

    /// <summary>The native libraries, as a program of this platform would get them.</summary>
    public IReadOnlyList<string> Libraries { get; }

    /// <param name="package">Its name.</param>
    /// <param name="version">Exactly this one.</param>
    /// <param name="configFile">A NuGet.config; null: those that count in the current folder.</param>
    /// <param name="cancellationToken">Ends it early.</param>
    /// <exception cref="InvalidOperationException">No source has the package, or there is no SDK; with NuGet's own words.</exception>
    public PackageRestore(string package, string version, string? configFile, CancellationToken cancellationToken)
    {
        try
        {
            var project = Path.Combine(_folder.Path, $"{ProjectName}.csproj");
            Project(package, version, configFile).Save(project);
            var output = Path.Combine(_folder.Path, "out");
            var build = SelfProcess.RunDotnet(["build", project, "--output", output, "--nologo", "-nodeReuse:false", "-consoleLoggerParameters:NoSummary"], _folder.Path, cancellationToken);
            if (build.ExitCode != 0) throw new InvalidOperationException($"{package} {version} could not be got from your NuGet sources: {Reason(build)}");
            Packages = ReadPackages();
            Libraries = [.. Directory.EnumerateFiles(output).Where(file => Path.GetFileName(file).Split('.')[0] != ProjectName).Order(StringComparer.Ordinal)];
        }
        catch
        {
            Dispose();
            throw;
        }
    }

    public void Dispose() => _folder.Dispose();

    private static XDocument Project(string package, string version, string? configFile) => new(
        new XElement("Project", new XAttribute("Sdk", "Microsoft.NET.Sdk"),
            new XElement("PropertyGroup",
                new XElement("TargetFramework", $"net{Environment.Version.Major}.{Environment.Version.Minor}"),
                new XElement("RuntimeIdentifier", LibtorchPackage.Rid),
                new XElement("SelfContained", false),
                new XElement("CopyLocalLockFileAssemblies", true),
                new XElement("CreateHardLinksForCopyLocalIfPossible", true),
                new XElement("ImportDirectoryBuildProps", false),
                new XElement("ImportDirectoryBuildTargets", false),
                new XElement("ImportDirectoryPackagesProps", false),
                new XElement("NuGetAudit", false),
                configFile is null
                    ? new XElement("RestoreRootConfigDirectory", Directory.GetCurrentDirectory())
                    : new XElement("RestoreConfigFile", Path.GetFullPath(configFile))),
            new XElement("ItemGroup", new XElement("PackageReference", new XAttribute("Include", package), new XAttribute("Version", $"[{version}]")))));

    private IReadOnlyList<Package> ReadPackages()
    {
        using var assets = JsonDocument.Parse(File.ReadAllBytes(Path.Combine(_folder.Path, "obj", "project.assets.json")));
        var caches = assets.RootElement.GetProperty("packageFolders").EnumerateObject().Select(folder => folder.Name).ToList();
        return
        [
            .. assets.RootElement.GetProperty("libraries").EnumerateObject().Select(library =>
            {
                var name = library.Name.Split('/');
                var path = library.Value.GetProperty("path").GetString()!;
                return new Package(name[0], name[1], caches.Select(cache => Path.Combine(cache, path)).First(Directory.Exists));
            }),
        ];
    }

    // The first error in full; MSBuild repeats them, and writes the project's path before and behind.
    private static string Reason(SelfProcess.Outcome build)
    {
        var lines = $"{build.Output}\n{build.Error}".Split('\n', StringSplitOptions.RemoveEmptyEntries | StringSplitOptions.TrimEntries);
        var error = lines.Select(line => ErrorLine().Match(line)).FirstOrDefault(match => match.Success);
        return error is not null ? error.Groups["text"].Value
            : lines.Any(line => line.Contains("No .NET SDKs were found", StringComparison.Ordinal)) ? "no .NET SDK was found, which does the getting. Install it from https://aka.ms/dotnet/download."
            : lines.LastOrDefault() ?? $"'dotnet build' ended with {build.ExitCode} and said nothing.";
    }

    [GeneratedRegex(@"error (?<text>[A-Z]+[0-9]+: .*?)(?: \[[^\[\]]*\])?$")]
    private static partial Regex ErrorLine();
}
