using AsFT.MLNet.Persistence;

namespace AsFT.MLNet.Tests.Persistence;

public sealed class RecordedPlaceTests
{
    [Theory]
    [InlineData(@"C:\models\llama", true)]
    [InlineData("d:/models/llama", true)]
    [InlineData(@"\\server\share\llama", false)]
    [InlineData("//server/share/llama", false)]
    [InlineData(@"/\server\share", false)]
    [InlineData(@"\\?\C:\models", false)]
    [InlineData(@"\\?\UNC\server\share", false)]
    [InlineData(@"\\.\PhysicalDrive0", false)]
    [InlineData(@"\??\C:\models", false)]
    [InlineData(@"C:models", false)]
    [InlineData(@"\models", false)]
    [InlineData(@"C:\models\con", false)]
    [InlineData(@"C:\com1.txt\llama", false)]
    [InlineData(@"C:\models\a:stream", false)]
    [InlineData("file://server/llama", false)]
    public void On_Windows(string path, bool isLocal) => Assert.Equal(isLocal, RecordedPlace.IsLocal(path, isWindows: true));

    [Theory]
    [InlineData("/models/llama", true)]
    [InlineData("/home/me/dev/llama", true)]
    [InlineData("models/llama", false)]
    [InlineData("/", false)]
    [InlineData("//server/share/llama", false)]
    [InlineData(@"\\server\share\llama", false)]
    [InlineData("/dev/sda", false)]
    [InlineData("/proc/self/root/etc", false)]
    [InlineData("/sys/kernel", false)]
    [InlineData("/net/server/llama", false)]
    [InlineData("/models/../dev/sda", false)]
    [InlineData("/./proc", false)]
    [InlineData("/models/\0", false)]
    [InlineData("file://server/llama", false)]
    public void Elsewhere(string path, bool isLocal) => Assert.Equal(isLocal, RecordedPlace.IsLocal(path, isWindows: false));

    [Theory]
    [InlineData("config.json", true)]
    [InlineData("..", false)]
    [InlineData("", false)]
    [InlineData("a/b", false)]
    [InlineData(@"a\b", false)]
    [InlineData("a:b", false)]
    [InlineData("NUL.json", false)]
    public void Names(string name, bool isName) => Assert.Equal(isName, RecordedPlace.IsName(name));

    [Theory]
    [InlineData("/home/me/models/Llama-2-7b/", "Llama-2-7b")]
    [InlineData(@"C:\Users\me\llama", "llama")]
    [InlineData("/home/me/.cache/huggingface/hub/models--meta-llama--Llama-2-7b-chat-hf/snapshots/f5db02db", "meta-llama/Llama-2-7b-chat-hf")]
    public void What_is_published_is_a_name(string path, string name) => Assert.Equal(name, PublicName.Of(path));
}
