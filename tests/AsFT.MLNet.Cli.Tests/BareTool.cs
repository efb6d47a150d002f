using System.Diagnostics;

namespace AsFT.MLNet.Cli.Tests;

/// <summary>The tool as it is packed, without libtorch: in a process, with a home and a package cache of its own.</summary>
internal sealed class BareTool : IDisposable
{
    // A running program's own file and its settings are looked for where it really lies; the rest may be links.
    private static readonly string[] Own = ["asft.dll", "asft.runtimeconfig.json"];

    public BareTool()
    {
        Directory.CreateDirectory(Folder.File("tool"));
        foreach (var name in Own) File.Copy(Path.Combine(AppContext.BaseDirectory, name), Path.Combine(Folder.File("tool"), name));
        foreach (var assembly in Directory.EnumerateFiles(AppContext.BaseDirectory, "*.dll").Where(file => !Own.Contains(Path.GetFileName(file))))
            File.CreateSymbolicLink(Path.Combine(Folder.File("tool"), Path.GetFileName(assembly)), assembly);
        Environment["HOME"] = Environment["LOCALAPPDATA"] = Directory.CreateDirectory(Folder.File("home")).FullName;
        Environment["NUGET_PACKAGES"] = Folder.File("packages");
    }

    /// <summary>Everything it has; gone afterwards.</summary>
    public TemporaryFolder Folder { get; } = new();

    public Dictionary<string, string> Environment { get; } = [];

    public async Task<Tool.Result> RunAsync(params string[] args)
    {
        var start = new ProcessStartInfo(System.Environment.GetEnvironmentVariable("DOTNET_HOST_PATH") ?? "dotnet", ["exec", Path.Combine(Folder.File("tool"), "asft.dll"), .. args])
        {
            RedirectStandardOutput = true,
            RedirectStandardError = true,
            WorkingDirectory = Folder.FullName,
        };
        foreach (var inherited in new[] { "ASFT_LIBTORCH", "LD_LIBRARY_PATH", "XDG_DATA_HOME" }) start.Environment.Remove(inherited);
        foreach (var (variable, value) in Environment) start.Environment[variable] = value;
        using var process = Process.Start(start)!;
        var error = process.StandardError.ReadToEndAsync(TestContext.Current.CancellationToken);
        var output = await process.StandardOutput.ReadToEndAsync(TestContext.Current.CancellationToken);
        await process.WaitForExitAsync(TestContext.Current.CancellationToken);
        return new Tool.Result(process.ExitCode, output, await error);
    }

    public void Dispose() => Folder.Dispose();
}
