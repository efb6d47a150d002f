using System.CommandLine;
using AsFT.MLNet.Cli.Output;
using AsFT.MLNet.Cli.Setup;
using AsFT.Torch.Runtime;

namespace AsFT.MLNet.Cli.Commands;

/// <summary><c>asft setup</c>: gets libtorch, which the packed tool does not carry.</summary>
internal sealed class SetupCommand : ToolCommand
{
    private readonly Option<bool> _cuda = new("--cuda") { Description = "The build for NVIDIA GPUs (several gigabytes) instead of the one for CPUs" };
    private readonly Option<string?> _configFile = new("--configfile") { HelpName = "FILE", Description = "NuGet.config that names the package sources, instead of those that count in the current folder" };

    public SetupCommand() : base("setup", "Get libtorch from your NuGet sources, check it, and put it where the tool and programs with AsFT.MLNet find it")
    {
        Options.Add(_cuda);
        Options.Add(_configFile);
    }

    protected override bool NeedsLibtorch => false;

    protected override int Run(ToolRun run)
    {
        var (isCuda, config) = (run.Get(_cuda), run.Get(_configFile));
        if (config is not null && !File.Exists(config)) throw new FileNotFoundException($"There is no file '{config}'.", config);
        var (name, version, folder) = (isCuda ? LibtorchPackage.Cuda : LibtorchPackage.Cpu, LibtorchPackage.Version, LibtorchPlaces.Installed(isCuda));
        if (InstalledLibtorch.IsWhole(folder))
        {
            run.Say($"{name} {version} is in '{folder}', and whole.");
            run.SayJson(new { package = name, version, folder, isNew = false });
            return Try(run, isCuda);
        }
        RequireWritable(folder);

        run.Note($"Getting {name} {version} from your NuGet sources ...");
        using var restore = new PackageRestore(name, version, config, run.CancellationToken);
        foreach (var package in restore.Packages) PackageHashes.CheckArchive(package);
        var assembled = PackageHashes.CheckLibraries(restore.Libraries, restore.Packages);
        if (!restore.Libraries.Any(library => Path.GetFileName(library) == LibtorchPackage.FileName("torch_cpu")))
            throw new InvalidDataException($"{name} {version} of your NuGet sources brings no {LibtorchPackage.FileName("torch_cpu")}; nothing was installed.");
        InstalledLibtorch.Write(folder, restore.Libraries, run.CancellationToken);

        var bytes = restore.Libraries.Sum(library => new FileInfo(library).Length);
        run.Say($"Installed {restore.Libraries.Count} libraries ({Sizes.Format(bytes)}) in '{folder}'.");
        foreach (var package in restore.Packages)
            run.Say($"  {package.Id} {package.Version}: {(PackageHashes.IsKnown(package) ? "the published package" : "as your source gave it; its published hash is not known here")}");
        if (assembled.Count > 0) run.Say($"  {assembled.Count} libraries were put together from parts by the packages' own build.");
        run.SayJson(new { package = name, version, folder, isNew = true, bytes, packages = restore.Packages.Select(package => new { package.Id, package.Version, isPublished = PackageHashes.IsKnown(package) }) });
        return Try(run, isCuda);
    }

    private static int Try(ToolRun run, bool isCuda)
    {
        if (isCuda && !LibtorchPlaces.HasCudaDriver())
        {
            run.Say("This machine has no NVIDIA driver: the libraries were not tried, and the CPU's build goes before them.");
            return ExitCode.Success;
        }
        AsftRuntime.Initialize();
        return ExitCode.Success;
    }

    private static void RequireWritable(string folder)
    {
        try
        {
            Directory.CreateDirectory(Path.GetDirectoryName(folder)!);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            throw new InvalidOperationException(
                $"'{UserFolders.Cache}' cannot be written ({e.Message}). Name a home that can (HOME{(OperatingSystem.IsLinux() ? " or XDG_DATA_HOME" : "")}), or keep libtorch in a folder of your own and set {AsftRuntime.LibtorchVariable} to it.", e);
        }
    }
}
