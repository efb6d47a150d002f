namespace AsFT.MLNet.Persistence;

/// <summary>Where a model may lie that a zip refers to.</summary>
internal static class ModelPlaces
{
    /// <summary>
    /// The first place that holds the recorded files: beside the zip, under the roots that the caller allows, and, where no roots are given, where it was
    /// when it was saved. Places that the zip chose outside the caller's folders are looked at only where they are local.
    /// </summary>
    /// <exception cref="DirectoryNotFoundException">It is in none of them.</exception>
    /// <exception cref="InvalidDataException">There is another model in one of them, and it is in none of the others.</exception>
    public static string Find(ModelReference model, AsftLoadOptions loading, ModelRole role)
    {
        var places = Places(model, loading).Distinct(StringComparer.Ordinal).Where(Directory.Exists).ToList();
        if (places.FirstOrDefault(place => Holds(place, model)) is { } found) return found;
        if (places.Count > 0)
            throw new InvalidDataException($"The model in '{places[0]}' is not the one {role.Purpose}. Put the model back, or name its place with AsftLoadOptions.{role.LoadOption} (mlContext.Model.LoadAsft), which also tells what differs.");
        if (model.RelativePath is not null && loading.ZipFolder is null && !Path.IsPathFullyQualified(model.Path))
            throw new DirectoryNotFoundException($"The file names the model {role.Purpose} by its place from the file's own folder, '{model.RelativePath}', and mlContext.Model.Load does not know that folder. Load it with mlContext.Model.LoadAsft.");
        var last = model.RelativePath is { } relative && loading.ZipFolder is { } folder && !Path.IsPathFullyQualified(model.Path) ? Path.GetFullPath(Path.Combine(folder, relative)) : model.Path;
        throw new DirectoryNotFoundException($"The model {role.Purpose} is not at '{last}' any more{(loading.ModelRoots is null ? "" : ", or that is outside of AsftLoadOptions.ModelRoots")}. "
            + $"Load with mlContext.Model.LoadAsft and name its new place with AsftLoadOptions.{role.LoadOption}.");
    }

    private static IEnumerable<string> Places(ModelReference model, AsftLoadOptions loading)
    {
        var name = model.Path.TrimEnd('/', '\\').Split('/', '\\')[^1];
        // Either separator: the zip may come from another system.
        var relative = model.RelativePath?.Replace('\\', '/');
        var chosen = new List<string>();
        if (loading.ZipFolder is { } zipFolder)
        {
            if (RecordedPlace.IsName(name)) yield return Path.Combine(zipFolder, name);
            if (relative is not null) chosen.Add(Path.GetFullPath(Path.Combine(zipFolder, relative)));
        }
        if (Path.IsPathFullyQualified(model.Path)) chosen.Add(Path.GetFullPath(model.Path));
        List<string> allowed = [.. loading.ModelRoots ?? [], .. loading.ZipFolder is { } own ? [own] : Array.Empty<string>()];
        foreach (var root in loading.ModelRoots ?? [])
            if (RecordedPlace.IsName(name)) yield return Path.Combine(Path.GetFullPath(root), name);
        foreach (var place in chosen)
            if (allowed.Any(root => IsUnder(place, root)) || loading.ModelRoots is null && IsLocal(place)) yield return place;
    }

    private static bool IsUnder(string place, string root)
    {
        var from = Path.GetRelativePath(Path.GetFullPath(root), place);
        return !Path.IsPathRooted(from) && from.Split('/', '\\')[0] != "..";
    }

    // A letter of Windows may stand for a share.
    private static bool IsLocal(string place) => RecordedPlace.IsLocal(place, OperatingSystem.IsWindows())
        && (!OperatingSystem.IsWindows() || new DriveInfo(place[..1]).DriveType != DriveType.Network);

    private static bool Holds(string place, ModelReference model)
    {
        try
        {
            return model.Difference(place) is null;
        }
        catch (Exception e) when (e is InvalidDataException or IOException or UnauthorizedAccessException)
        {
            // Told as another model: of a place that the file chose, nothing is told.
            return false;
        }
    }
}
