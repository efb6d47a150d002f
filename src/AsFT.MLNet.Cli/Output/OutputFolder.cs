namespace AsFT.MLNet.Cli.Output;

/// <summary>
/// The folder a command writes to. It is made before the work, so that an hour of training does not end in a wrong path,
/// and removed again when the work came to nothing.
/// </summary>
internal sealed class OutputFolder : IDisposable
{
    private readonly string? _firstCreated;
    private bool _isKept;
    private OutputLock? _lock;
    private RunRecord? _record;
    private RunRecord? _before;

    /// <summary>A folder that other things lie in, too.</summary>
    public OutputFolder(string path)
    {
        FullPath = System.IO.Path.GetFullPath(path);
        for (var folder = FullPath; folder is not null && !Directory.Exists(folder); folder = System.IO.Path.GetDirectoryName(folder)) _firstCreated = folder;
        try
        {
            Directory.CreateDirectory(FullPath);
            // A folder may exist and still refuse new files.
            var probe = Path($".probe-{Guid.NewGuid():N}");
            File.WriteAllBytes(probe, []);
            File.Delete(probe);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            throw new IOException($"The output folder '{FullPath}' cannot be made or written to: {e.Message}", e);
        }
    }

    public string FullPath { get; }

    /// <summary>A folder for this run alone, with what it makes. Disposal lets others in.</summary>
    /// <param name="run">The invocation.</param>
    /// <param name="path">The folder.</param>
    /// <param name="isForced">Write over what another command line finished there.</param>
    /// <param name="products">Files and folders that the command writes; some of them there, without a record of who made them, are somebody else's.</param>
    /// <param name="goesOn">Whether the run goes on from what the same command left there, whatever its other arguments are.</param>
    /// <exception cref="IOException">Another run writes there, or something there would be written over that this command line did not make.</exception>
    public static OutputFolder Claim(ToolRun run, string path, bool isForced, IReadOnlyList<string> products, bool goesOn = false)
    {
        var folder = new OutputFolder(path);
        try
        {
            folder.Take(RunRecord.Of(run.Parse), path, isForced, products, goesOn);
            return folder;
        }
        catch
        {
            folder.Dispose();
            throw;
        }
    }

    /// <summary>A folder for this run alone that keeps what lies in it, such as training checkpoints to go on from.</summary>
    /// <exception cref="IOException">Another run writes there.</exception>
    public static IDisposable Reserve(string path)
    {
        Directory.CreateDirectory(path);
        return OutputLock.TryTake(path) ?? throw new IOException($"'{path}' is being written to by another run. Wait for its end, or give another folder.");
    }

    public string Path(string name) => System.IO.Path.Combine(FullPath, name);

    /// <summary>The work is done: the folder stays.</summary>
    public void Keep()
    {
        _isKept = true;
        if (_record is null) return;
        _record = _record with { Process = null, Finished = DateTimeOffset.Now };
        _record.Write(FullPath);
    }

    /// <summary>The work is not done, but what there is stays, for a later run to go on from.</summary>
    public void KeepUnfinished() => _isKept = true;

    public void Dispose()
    {
        if (!_isKept && _record is not null)
        {
            if (_before is not null) _before.Write(FullPath);
            else RunRecord.Delete(FullPath);
        }
        _lock?.Dispose();
        if (_isKept || _firstCreated is null) return;
        for (var folder = FullPath; folder.Length >= _firstCreated.Length && Directory.Exists(folder); folder = System.IO.Path.GetDirectoryName(folder)!)
        {
            if (Directory.EnumerateFileSystemEntries(folder).Any()) return;
            Directory.Delete(folder);
        }
    }

    private void Take(RunRecord record, string path, bool isForced, IReadOnlyList<string> products, bool goesOn)
    {
        _lock = OutputLock.TryTake(FullPath);
        var before = RunRecord.Read(FullPath);
        if (_lock is null)
            throw new IOException($"'{path}' is being written to by another run{(before is null ? "" : $" ({before})")}. Wait for its end, or give another --out.");
        if (!isForced) Check(record, before, path, products, goesOn);
        _before = before;
        record.Write(FullPath);
        _record = record;
    }

    private void Check(RunRecord record, RunRecord? before, string path, IReadOnlyList<string> products, bool goesOn)
    {
        const string Cure = "Give another --out, or --force to write over it.";
        if (before is null)
        {
            if (products.FirstOrDefault(product => System.IO.Path.Exists(Path(product))) is { } found)
                throw new IOException($"'{path}' holds '{found}', and nothing tells that this command made it. {Cure}");
            return;
        }
        if (before.Finished is null) return;
        if (before.Command != record.Command)
            throw new IOException($"'{path}' holds a finished output of another command ({before}). {Cure}");
        if (before.Arguments != record.Arguments && !goesOn)
            throw new IOException($"'{path}' holds a finished output of {before.Command} with other arguments (finished {RunRecord.Shown(before.Finished.Value)}). {Cure}");
    }
}
