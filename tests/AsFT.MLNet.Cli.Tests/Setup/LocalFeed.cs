using System.IO.Compression;
using AsFT.Torch.Runtime;

namespace AsFT.MLNet.Cli.Tests.Setup;

/// <summary>A folder of packages in the form of TorchSharp's for CUDA: one that depends on another, whose build step brings a library of its own.</summary>
internal static class LocalFeed
{
    /// <summary>Writes the packages and a NuGet.config that names them and nothing else.</summary>
    public static string Write(TemporaryFolder folder)
    {
        Directory.CreateDirectory(folder.File("feed"));
        var part = $"{LibtorchPackage.Cuda}-part1";
        Pack(folder, LibtorchPackage.Cuda, $"<dependency id=\"{part}\" version=\"[{LibtorchPackage.Version}]\" />",
            ($"runtimes/{LibtorchPackage.Rid}/native/{LibtorchPackage.FileName("torch_cpu")}", "no library"));
        Pack(folder, part, "",
            ($"runtimes/{LibtorchPackage.Rid}/native/{LibtorchPackage.FileName("torch_cuda")}", "neither"),
            ($"parts/{LibtorchPackage.FileName("assembled")}", "made of parts"),
            ($"buildTransitive/netstandard2.0/{part}.targets",
                $"""<Project><ItemGroup><None Include="$(MSBuildThisFileDirectory)../../parts/*" CopyToOutputDirectory="Always" Link="%(Filename)%(Extension)" Visible="false" /></ItemGroup></Project>"""));
        return folder.Write("nuget.config", $"""<configuration><packageSources><clear /><add key="local" value="{folder.File("feed")}" /></packageSources></configuration>""");
    }

    private static void Pack(TemporaryFolder folder, string id, string dependencies, params (string Name, string Text)[] files)
    {
        using var archive = ZipFile.Open(Path.Combine(folder.File("feed"), $"{id}.{LibtorchPackage.Version}.nupkg"), ZipArchiveMode.Create);
        var description = $"""
            <package xmlns="http://schemas.microsoft.com/packaging/2013/05/nuspec.xsd"><metadata>
              <id>{id}</id><version>{LibtorchPackage.Version}</version><authors>tests</authors><description>Not libtorch.</description>
              <dependencies><group targetFramework=".NETStandard2.0">{dependencies}</group></dependencies>
            </metadata></package>
            """;
        foreach (var (name, text) in files.Append(($"{id}.nuspec", description)).Append(("lib/netstandard2.0/_._", "")))
        {
            using var writer = new StreamWriter(archive.CreateEntry(name).Open());
            writer.Write(text);
        }
    }
}
