using System.Diagnostics;
using System.Runtime.InteropServices;

namespace AsFT.MLNet.Cli;

/// <summary>Starts this tool again, or the SDK, as a process of its own.</summary>
internal static class SelfProcess
{
    /// <summary>What a finished process printed.</summary>
    internal sealed record Outcome(int ExitCode, string Output, string Error);

    /// <summary>Runs a command line of the tool and waits; a cancelled wait ends the process.</summary>
    public static Outcome Run(IEnumerable<string> args, CancellationToken cancellationToken) => Run(StartInfo(args), cancellationToken);

    /// <summary>Runs a command line of the SDK's and waits, its messages in English.</summary>
    public static Outcome RunDotnet(IEnumerable<string> args, string workingFolder, CancellationToken cancellationToken)
    {
        var start = Redirected(DotnetHost(), args);
        start.WorkingDirectory = workingFolder;
        start.Environment["DOTNET_CLI_UI_LANGUAGE"] = "en";
        start.Environment["DOTNET_NOLOGO"] = "1";
        return Run(start, cancellationToken);
    }

    private static Outcome Run(ProcessStartInfo start, CancellationToken cancellationToken)
    {
        using var process = Process.Start(start) ?? throw new InvalidOperationException("A second process could not be started.");
        using var stop = cancellationToken.Register(() => process.Kill(entireProcessTree: true));
        process.StandardInput.Close();
        var error = process.StandardError.ReadToEndAsync(CancellationToken.None);
        var output = process.StandardOutput.ReadToEnd();
        process.WaitForExit();
        cancellationToken.ThrowIfCancellationRequested();
        return new Outcome(process.ExitCode, output, error.GetAwaiter().GetResult());
    }

    private static ProcessStartInfo StartInfo(IEnumerable<string> args)
    {
        var assembly = typeof(SelfProcess).Assembly;
        var own = Environment.ProcessPath;
        // Started through its own executable, or through the dotnet host (dotnet exec, a tool shim, a test host).
        var isOwnExecutable = own is not null && Path.GetFileNameWithoutExtension(own).Equals(assembly.GetName().Name, StringComparison.OrdinalIgnoreCase);
        return Redirected(isOwnExecutable ? own! : DotnetHost(), isOwnExecutable ? args : ["exec", assembly.Location, .. args]);
    }

    private static ProcessStartInfo Redirected(string file, IEnumerable<string> args) =>
        new(file, args) { RedirectStandardInput = true, RedirectStandardOutput = true, RedirectStandardError = true };

    private static string DotnetHost()
    {
        // <root>/shared/Microsoft.NETCore.App/<version>/
        var root = Path.GetFullPath(Path.Combine(RuntimeEnvironment.GetRuntimeDirectory(), "..", "..", ".."));
        var host = Path.Combine(root, OperatingSystem.IsWindows() ? "dotnet.exe" : "dotnet");
        return File.Exists(host) ? host : "dotnet";
    }
}
