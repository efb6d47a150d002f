using AsFT.MLNet.Cli.Setup;
using AsFT.MLNet.Cli.Tests.Setup;
using AsFT.Torch.Runtime;

namespace AsFT.MLNet.Cli.Tests.Commands;

public sealed class SetupCommandTests
{
    [Fact]
    public async Task Cuda_is_installed_from_the_sources_of_a_NuGet_config_where_the_loader_looks()
    {
        Assert.SkipWhen(LibtorchPlaces.HasCudaDriver(), "where there is a driver, what is installed is loaded, and these are no libraries");
        using var tool = new BareTool();
        var config = LocalFeed.Write(tool.Folder);
        var result = await tool.RunAsync("setup", "--cuda", "--configfile", config, "--json");
        Assert.True(result.ExitCode == ExitCode.Success, result.Error + result.Output);
        var folder = result.Json.GetProperty("folder").GetString()!;
        Assert.StartsWith(tool.Folder.FullName, folder);
        Assert.Equal("no library", File.ReadAllText(Path.Combine(folder, LibtorchPackage.FileName("torch_cpu"))));
        Assert.Equal("neither", File.ReadAllText(Path.Combine(folder, LibtorchPackage.FileName("torch_cuda"))));
        Assert.Equal("made of parts", File.ReadAllText(Path.Combine(folder, LibtorchPackage.FileName("assembled"))));
        Assert.Equal(2, result.Json.GetProperty("packages").EnumerateArray().Count(package => !package.GetProperty("isPublished").GetBoolean()));

        var again = await tool.RunAsync("setup", "--cuda", "--json");
        Assert.True(again.ExitCode == ExitCode.Success, again.Error);
        Assert.False(again.Json.GetProperty("isNew").GetBoolean());
        // The loader takes it, and says what is wrong with it.
        Tool.AssertFailed(await tool.RunAsync("generate", "--model", Tool.BaseModel, "--prompt", "x"), ExitCode.Failure, folder);
    }

    [Fact]
    public async Task A_package_that_no_source_has_is_told_in_one_line_and_leaves_nothing()
    {
        using var tool = new BareTool();
        var config = LocalFeed.Write(tool.Folder);
        var result = await tool.RunAsync("setup", "--configfile", config);
        Tool.AssertFailed(result, ExitCode.Failure, LibtorchPackage.Cpu, LibtorchPackage.Version, "NU1101");
        Assert.False(Directory.Exists(Path.Combine(tool.Folder.File("home"), ".local", "share", "AsFT.MLNet", "libtorch", LibtorchPackage.Version, LibtorchPackage.Cpu)));
    }

    [Fact]
    public async Task Without_a_home_to_write_to_it_is_said_what_to_name()
    {
        Assert.SkipUnless(OperatingSystem.IsLinux(), "home folders of Linux");
        using var tool = new BareTool();
        tool.Environment["HOME"] = "/dev/null";
        Tool.AssertFailed(await tool.RunAsync("setup"), ExitCode.Failure, "/dev/null", "XDG_DATA_HOME", "ASFT_LIBTORCH");
    }

    [Fact]
    public void A_library_that_was_changed_is_noticed()
    {
        using var folder = new TemporaryFolder();
        var target = folder.File("installed");
        InstalledLibtorch.Write(target, [folder.Write("a.so", "one"), folder.Write("b.so", "two")], TestContext.Current.CancellationToken);
        Assert.True(InstalledLibtorch.IsWhole(target));
        File.WriteAllText(Path.Combine(target, "b.so"), "tw0");
        Assert.False(InstalledLibtorch.IsWhole(target));
        InstalledLibtorch.Write(target, [folder.File("a.so")], TestContext.Current.CancellationToken);
        Assert.True(InstalledLibtorch.IsWhole(target));
        Assert.False(File.Exists(Path.Combine(target, "b.so")));
    }

    [Fact]
    public void Another_package_under_a_published_name_is_refused()
    {
        using var folder = new TemporaryFolder();
        var package = new PackageRestore.Package("libtorch-cpu-linux-x64", "2.10.0", folder.FullName);
        folder.Write(Path.GetFileName(package.Archive), "archive");
        var hash = Convert.ToBase64String(System.Security.Cryptography.SHA512.HashData("archive"u8));
        folder.Write($"{Path.GetFileName(package.Archive)}.sha512", hash);
        folder.Write(".nupkg.metadata", $$"""{ "contentHash": "{{hash}}" }""");
        Assert.Contains("published", Assert.Throws<InvalidDataException>(() => PackageHashes.CheckArchive(package)).Message);
        folder.Write(Path.GetFileName(package.Archive), "changed");
        Assert.Contains("changed", Assert.Throws<InvalidDataException>(() => PackageHashes.CheckArchive(package)).Message);
    }

    [Fact]
    public void The_hashes_are_those_of_the_version_that_TorchSharp_asks_for() =>
        Assert.All(new[] { "linux-x64", "osx-arm64", "win-arm64", "win-x64" }, rid =>
            Assert.True(PackageHashes.IsKnown(new($"libtorch-cpu-{rid}", LibtorchPackage.Version, "")), $"the hash of libtorch-cpu-{rid} {LibtorchPackage.Version} is missing"));
}
