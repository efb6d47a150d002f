using System.IO.Compression;

namespace AsFT.MLNet.Tests.Persistence;

/// <summary>Changes parts of a saved pipeline.</summary>
internal static class ZipEdit
{
    /// <summary>Replaces a text part, or takes it away.</summary>
    public static void Text(string path, string part, Func<string, string>? change)
    {
        using var zip = ZipFile.Open(path, ZipArchiveMode.Update);
        var entry = Find(zip, part);
        string content;
        using (var reader = new StreamReader(entry.Open())) content = reader.ReadToEnd();
        Replace(zip, entry, change is null ? null : stream =>
        {
            using var writer = new StreamWriter(stream);
            writer.Write(change(content));
        });
    }

    /// <summary>Replaces a part by bytes.</summary>
    public static void Bytes(string path, string part, byte[] content)
    {
        using var zip = ZipFile.Open(path, ZipArchiveMode.Update);
        Replace(zip, Find(zip, part), stream => stream.Write(content));
    }

    /// <summary>Replaces a text of ML.NET's own tables by one of the same length, wherever it stands.</summary>
    public static void Table(string path, string text, string by)
    {
        using var zip = ZipFile.Open(path, ZipArchiveMode.Update);
        foreach (var entry in zip.Entries.ToArray())
        {
            using var content = new MemoryStream();
            using (var stream = entry.Open()) stream.CopyTo(content);
            var bytes = content.ToArray();
            foreach (var encoding in new[] { System.Text.Encoding.UTF8, System.Text.Encoding.Unicode })
                for (int place; (place = bytes.AsSpan().IndexOf(encoding.GetBytes(text))) >= 0;) encoding.GetBytes(by).CopyTo(bytes, place);
            Replace(zip, entry, stream => stream.Write(bytes));
        }
    }

    /// <summary>All text in the zip.</summary>
    public static string AllText(string path)
    {
        using var zip = ZipFile.OpenRead(path);
        return string.Concat(zip.Entries.Select(entry =>
        {
            using var reader = new StreamReader(entry.Open(), System.Text.Encoding.Latin1);
            return reader.ReadToEnd();
        }));
    }

    private static ZipArchiveEntry Find(ZipArchive zip, string part) => zip.Entries.Single(entry => entry.FullName.Split('/', '\\')[^1] == part);

    private static void Replace(ZipArchive zip, ZipArchiveEntry entry, Action<Stream>? write)
    {
        var name = entry.FullName;
        entry.Delete();
        if (write is null) return;
        using var stream = zip.CreateEntry(name).Open();
        write(stream);
    }
}
