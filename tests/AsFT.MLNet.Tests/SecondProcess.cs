using System.Diagnostics;

namespace AsFT.MLNet.Tests;

/// <summary>The program that loads a saved pipeline without naming any type of ours.</summary>
internal static class SecondProcess
{
    /// <summary>Runs it and gives the lines it wrote behind a mark.</summary>
    public static async Task<ILookup<string, string>> LoadAsync(string zip, string workingFolder, IEnumerable<string> rows)
    {
        var loader = Path.Combine(AppContext.BaseDirectory, "AsFT.MLNet.Tests.Loader.dll");
        var start = new ProcessStartInfo(Environment.GetEnvironmentVariable("DOTNET_HOST_PATH") ?? "dotnet", ["exec", loader, zip, .. rows])
        {
            RedirectStandardOutput = true,
            RedirectStandardError = true,
            WorkingDirectory = workingFolder,
        };
        using var process = Process.Start(start)!;
        var errors = process.StandardError.ReadToEndAsync(TestContext.Current.CancellationToken);
        var output = await process.StandardOutput.ReadToEndAsync(TestContext.Current.CancellationToken);
        await process.WaitForExitAsync(TestContext.Current.CancellationToken);
        Assert.True(process.ExitCode == 0, await errors);
        return output.Split('\n').Select(line => line.TrimEnd().Split(':', 2)).Where(parts => parts.Length == 2).ToLookup(parts => parts[0], parts => parts[1]);
    }
}
