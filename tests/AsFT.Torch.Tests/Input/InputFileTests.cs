using System.Diagnostics;
using AsFT.Torch.Input;
using AsFT.Torch.Tests.Checkpoints;

namespace AsFT.Torch.Tests.Input;

public class InputFileTests
{
    [Fact]
    public void A_named_pipe_is_refused_and_not_waited_for()
    {
        Assert.SkipWhen(OperatingSystem.IsWindows(), "Named pipes lie in a place of their own on Windows.");
        using var folder = new TemporaryFolder();
        using (var made = Process.Start("mkfifo", folder["pipe"])) made.WaitForExit();
        File.CreateSymbolicLink(folder["link"], folder["pipe"]);
        foreach (var name in new[] { "pipe", "link" })
        {
            Assert.Contains("named pipe", Assert.Throws<InvalidDataException>(() => InputFile.Open(folder[name])).Message, StringComparison.Ordinal);
            Assert.Contains(folder[name], Assert.Throws<InvalidDataException>(() => InputFile.OpenHandle(folder[name])).Message, StringComparison.Ordinal);
        }
    }

    [Theory]
    [InlineData("/dev/zero")]
    [InlineData("/dev/null")]
    public void A_device_is_refused(string path)
    {
        Assert.SkipUnless(File.Exists(path), "There is no such device.");
        Assert.Contains("a device", Assert.Throws<InvalidDataException>(() => InputFile.ReadAllBytes(path, 10)).Message, StringComparison.Ordinal);
    }

    [Fact]
    public void The_length_is_that_of_the_file_a_link_leads_to()
    {
        using var folder = new TemporaryFolder();
        Directory.CreateDirectory(folder["blobs"]);
        File.WriteAllBytes(Path.Combine(folder["blobs"], "0123"), new byte[1234]);
        File.CreateSymbolicLink(folder["first"], "blobs/0123");
        File.CreateSymbolicLink(folder["second"], "first");
        Assert.Equal(1234, InputFile.Length(folder["second"]));
        Assert.Equal(1234, InputFile.ReadAllBytes(folder["second"], 1234).Length);
        Assert.Contains("1234 bytes", Assert.Throws<InvalidDataException>(() => InputFile.ReadAllBytes(folder["second"], 1233)).Message, StringComparison.Ordinal);
    }

    [Fact]
    public void Folders_nothing_and_links_to_nothing_are_told_apart()
    {
        using var folder = new TemporaryFolder();
        File.CreateSymbolicLink(folder["link"], "blobs/0123");
        Assert.Contains("a link to", Assert.Throws<FileNotFoundException>(() => InputFile.Length(folder["link"])).Message, StringComparison.Ordinal);
        Assert.Contains("no file", Assert.Throws<FileNotFoundException>(() => InputFile.Open(folder["nothing"])).Message, StringComparison.Ordinal);
        Assert.Contains("a folder", Assert.Throws<FileNotFoundException>(() => InputFile.Open(folder.Path)).Message, StringComparison.Ordinal);
    }
}
