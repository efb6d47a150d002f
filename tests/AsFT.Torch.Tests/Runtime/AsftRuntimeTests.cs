using AsFT.Torch.Runtime;
using AsFT.Torch.Tests.Checkpoints;

namespace AsFT.Torch.Tests.Runtime;

// Each in a process of another program, which has nothing of ours beside it.
public class AsftRuntimeTests
{
    private static string Bin => AppContext.BaseDirectory;

    private static string Engine => Path.Combine(Bin, "AsFT.Torch.dll");

    private static string Natives => Path.Combine(Bin, LibtorchPackage.NativeFolder);

    [Fact]
    public async Task A_program_that_uses_TorchSharp_first_initializes_the_runtime_and_finds_libtorch_beside_TorchSharp()
    {
        using var host = new HostProcess();
        var lines = await host.RunAsync(Engine, Bin);
        Assert.StartsWith("threads:", lines[0], StringComparison.Ordinal);
        if (OperatingSystem.IsLinux()) Assert.Equal($"libtorch:{Path.Combine(Natives, "libtorch_cpu.so")}", Assert.Single(lines[1..]));
    }

    [Fact]
    public async Task In_a_package_cache_the_version_that_TorchSharp_asks_for_is_taken_among_others()
    {
        Assert.SkipUnless(OperatingSystem.IsLinux(), "folders and files of Linux");
        using var host = new HostProcess();
        using var folder = new TemporaryFolder();
        var packages = folder["packages"];
        var torchSharp = Directory.CreateDirectory(Path.Combine(packages, "torchsharp", "0.107.0", "lib", "net8.0")).FullName;
        File.Copy(Path.Combine(Bin, "TorchSharp.dll"), Path.Combine(torchSharp, "TorchSharp.dll"));
        var shim = Directory.CreateDirectory(Path.Combine(packages, "torchsharp", "0.107.0", LibtorchPackage.NativeFolder)).FullName;
        File.Copy(Path.Combine(Natives, "libLibTorchSharp.so"), Path.Combine(shim, "libLibTorchSharp.so"));
        foreach (var version in new[] { "2.1.0", LibtorchPackage.Version, "99.0.0" })
        {
            var natives = Directory.CreateDirectory(Path.Combine(packages, LibtorchPackage.Cpu, version, LibtorchPackage.NativeFolder)).FullName;
            if (version != LibtorchPackage.Version) Foreign(natives);
            else
                foreach (var library in Directory.EnumerateFiles(Natives)) File.CreateSymbolicLink(Path.Combine(natives, Path.GetFileName(library)), library);
        }
        var engine = Directory.CreateDirectory(Path.Combine(packages, "asft.torch", "0.1.0", "lib", "net10.0")).FullName;
        File.Copy(Engine, Path.Combine(engine, "AsFT.Torch.dll"));

        // The other assemblies come from the tests; TorchSharp from the cache.
        var lines = await host.RunAsync(Path.Combine(engine, "AsFT.Torch.dll"), torchSharp, Bin);
        Assert.StartsWith("threads:", lines[0], StringComparison.Ordinal);
    }

    [Fact]
    public async Task Without_a_home_to_write_to_libtorch_loads_all_the_same_and_leaves_nothing()
    {
        Assert.SkipUnless(OperatingSystem.IsLinux(), "home folders of Linux");
        using var host = new HostProcess { Home = "/dev/null" };
        using var temporary = new TemporaryFolder();
        host.Environment["TMPDIR"] = temporary.Path;
        var lines = await host.RunAsync(Engine, Bin);
        Assert.StartsWith("threads:", lines[0], StringComparison.Ordinal);
        Assert.DoesNotContain(temporary.FileNames, name => name.StartsWith("asft-", StringComparison.Ordinal));
    }

    [Theory]
    [InlineData("LD_LIBRARY_PATH")]
    [InlineData(AsftRuntime.LibtorchVariable)]
    public async Task A_libtorch_of_another_version_is_named_with_its_place_and_the_cure_in_one_line(string variable)
    {
        Assert.SkipUnless(OperatingSystem.IsLinux(), "library paths of Linux");
        using var host = new HostProcess();
        using var folder = new TemporaryFolder();
        host.Environment[variable] = Foreign(Directory.CreateDirectory(folder["foreign"]).FullName);
        var line = Assert.Single(await host.RunAsync(Alone(folder), folder.Path));
        Assert.StartsWith($"missing:'{folder["foreign"]}/libtorch_cpu.so' is libtorch of an older version", line, StringComparison.Ordinal);
        Assert.Contains(LibtorchPackage.Version, line);
        Assert.Contains("asft setup", line);
    }

    [Fact]
    public async Task Without_libtorch_one_line_says_how_to_get_it()
    {
        using var host = new HostProcess();
        using var folder = new TemporaryFolder();
        var line = Assert.Single(await host.RunAsync(Alone(folder), folder.Path));
        Assert.StartsWith($"missing:libtorch {LibtorchPackage.Version} is not here.", line, StringComparison.Ordinal);
        Assert.Contains(LibtorchPackage.Cpu, line);
        Assert.Contains("asft setup", line);
    }

    [Fact]
    public async Task A_folder_that_is_named_but_holds_no_libtorch_is_said()
    {
        using var host = new HostProcess();
        using var folder = new TemporaryFolder();
        host.Environment[AsftRuntime.LibtorchVariable] = folder.Path;
        Assert.Contains($"{AsftRuntime.LibtorchVariable} is '{folder.Path}'", Assert.Single(await host.RunAsync(Engine, Bin)));
    }

    // A library of libtorch's that tells no version.
    private static string Foreign(string folder)
    {
        File.Copy(Path.Combine(Natives, "libc10.so"), Path.Combine(folder, "libtorch_cpu.so"));
        return folder;
    }

    // The two assemblies without libtorch.
    private static string Alone(TemporaryFolder folder)
    {
        File.Copy(Path.Combine(Bin, "TorchSharp.dll"), folder["TorchSharp.dll"]);
        File.Copy(Engine, folder["AsFT.Torch.dll"]);
        return folder["AsFT.Torch.dll"];
    }
}
