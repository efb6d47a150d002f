using System.Diagnostics;
using AsFT.Torch.Runtime;
using AsFT.Torch.Tests.Checkpoints;

namespace AsFT.Torch.Tests.Runtime;

/// <summary>The program that loads AsFT.Torch.dll by its path: in a folder, with a home and a package cache of its own.</summary>
internal sealed class HostProcess : IDisposable
{
    private const string Name = "AsFT.Torch.Tests.Host";

    private readonly TemporaryFolder _folder = new();

    public HostProcess()
    {
        foreach (var file in new[] { $"{Name}.dll", $"{Name}.runtimeconfig.json" }) File.Copy(Path.Combine(AppContext.BaseDirectory, file), _folder[file]);
        Home = Directory.CreateDirectory(_folder["home"]).FullName;
    }

    public string Home { get; init; }

    public Dictionary<string, string> Environment { get; } = [];

    /// <summary>Runs it and gives the lines it wrote to stdout, TorchSharp's own among them.</summary>
    public async Task<string[]> RunAsync(params string[] args)
    {
        var start = new ProcessStartInfo(System.Environment.GetEnvironmentVariable("DOTNET_HOST_PATH") ?? "dotnet", ["exec", _folder[$"{Name}.dll"], .. args])
        {
            RedirectStandardOutput = true,
            RedirectStandardError = true,
        };
        foreach (var inherited in new[] { AsftRuntime.LibtorchVariable, "LD_LIBRARY_PATH", "XDG_DATA_HOME" }) start.Environment.Remove(inherited);
        start.Environment["HOME"] = start.Environment["LOCALAPPDATA"] = Home;
        start.Environment["NUGET_PACKAGES"] = _folder["packages"];
        foreach (var (variable, value) in Environment) start.Environment[variable] = value;
        using var process = Process.Start(start)!;
        var errors = process.StandardError.ReadToEndAsync(TestContext.Current.CancellationToken);
        var output = await process.StandardOutput.ReadToEndAsync(TestContext.Current.CancellationToken);
        await process.WaitForExitAsync(TestContext.Current.CancellationToken);
        Assert.True(process.ExitCode == 0, await errors);
        return output.Split('\n', StringSplitOptions.RemoveEmptyEntries | StringSplitOptions.TrimEntries);
    }

    public void Dispose() => _folder.Dispose();
}
