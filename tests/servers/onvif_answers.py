"""What an ONVIF camera answers, as SOAP 1.2."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from xml.sax.saxutils import escape

ENVELOPE = "http://www.w3.org/2003/05/soap-envelope"
DEVICE = "http://www.onvif.org/ver10/device/wsdl"
MEDIA = "http://www.onvif.org/ver10/media/wsdl"
MEDIA2 = "http://www.onvif.org/ver20/media/wsdl"


@dataclass(frozen=True)
class Stream:
    """A media profile, and the address that it gives for it."""

    token: str
    width: int
    height: int
    fps: int | None = 15
    encoding: str = "H264"
    url: str = "rtsp://{host}/{token}"
    source: str = "v"


def envelope(content: str) -> bytes:
    return f"""\
<?xml version="1.0" encoding="UTF-8"?>
<s:Envelope xmlns:s="{ENVELOPE}" xmlns:tt="http://www.onvif.org/ver10/schema"
  xmlns:tds="{DEVICE}" xmlns:trt="{MEDIA}" xmlns:tr2="{MEDIA2}"
  xmlns:ter="http://www.onvif.org/ver10/error">
<s:Body>{content}</s:Body></s:Envelope>""".encode()


def fault(subcode: str, text: str) -> bytes:
    return envelope(f"""\
<s:Fault>
  <s:Code><s:Value>s:Sender</s:Value><s:Subcode><s:Value>ter:{subcode}</s:Value></s:Subcode></s:Code>
  <s:Reason><s:Text xml:lang="en">{escape(text)}</s:Text></s:Reason>
</s:Fault>""")


def date_and_time(at: datetime) -> str:
    return f"""\
<tds:GetSystemDateAndTimeResponse><tds:SystemDateAndTime>
  <tt:DateTimeType>Manual</tt:DateTimeType><tt:DaylightSavings>false</tt:DaylightSavings>
  <tt:UTCDateTime>
    <tt:Time><tt:Hour>{at.hour}</tt:Hour><tt:Minute>{at.minute}</tt:Minute>
      <tt:Second>{at.second}</tt:Second></tt:Time>
    <tt:Date><tt:Year>{at.year}</tt:Year><tt:Month>{at.month}</tt:Month>
      <tt:Day>{at.day}</tt:Day></tt:Date>
  </tt:UTCDateTime>
</tds:SystemDateAndTime></tds:GetSystemDateAndTimeResponse>"""


def services(namespaces: Iterable[str], place: str) -> str:
    listed = "".join(
        f"""
  <tds:Service><tds:Namespace>{namespace}</tds:Namespace><tds:XAddr>{place}</tds:XAddr>
    <tds:Version><tt:Major>2</tt:Major><tt:Minor>60</tt:Minor></tds:Version></tds:Service>"""
        for namespace in namespaces
    )
    return f"<tds:GetServicesResponse>{listed}</tds:GetServicesResponse>"


def capabilities(place: str) -> str:
    return f"""\
<tds:GetCapabilitiesResponse><tds:Capabilities>
  <tt:Media><tt:XAddr>{place}</tt:XAddr></tt:Media>
</tds:Capabilities></tds:GetCapabilitiesResponse>"""


def scopes(items: Iterable[str]) -> str:
    listed = "".join(
        f"""
  <tds:Scopes><tt:ScopeDef>Fixed</tt:ScopeDef><tt:ScopeItem>{escape(item)}</tt:ScopeItem>
  </tds:Scopes>"""
        for item in items
    )
    return f"<tds:GetScopesResponse>{listed}</tds:GetScopesResponse>"


def profiles(streams: Iterable[Stream], service: str) -> str:
    if service == MEDIA2:
        listed = "".join(map(_profile2, streams))
        return f"<tr2:GetProfilesResponse>{listed}</tr2:GetProfilesResponse>"
    listed = "".join(_profile(stream) for stream in streams if stream.encoding != "H265")
    return f"<trt:GetProfilesResponse>{listed}</trt:GetProfilesResponse>"


def stream_uri(url: str, service: str) -> str:
    if service == MEDIA2:
        uri = f"<tr2:Uri>{escape(url)}</tr2:Uri>"
        return f"<tr2:GetStreamUriResponse>{uri}</tr2:GetStreamUriResponse>"
    return f"""\
<trt:GetStreamUriResponse><trt:MediaUri><tt:Uri>{escape(url)}</tt:Uri>
  <tt:InvalidAfterConnect>false</tt:InvalidAfterConnect>
  <tt:InvalidAfterReboot>false</tt:InvalidAfterReboot><tt:Timeout>PT0S</tt:Timeout>
</trt:MediaUri></trt:GetStreamUriResponse>"""


def _profile(stream: Stream) -> str:
    """With the analytics that most cameras have in it, whose items are of any type."""
    return f"""
<trt:Profiles token="{stream.token}" fixed="true"><tt:Name>{stream.token} stream</tt:Name>
  <tt:VideoSourceConfiguration token="v"><tt:Name>v</tt:Name><tt:UseCount>2</tt:UseCount>
    <tt:SourceToken>{stream.source}</tt:SourceToken>
    <tt:Bounds x="0" y="0" width="1920" height="1080"/></tt:VideoSourceConfiguration>
  <tt:VideoEncoderConfiguration token="e">
    {_encoder(stream)}<tt:Quality>4</tt:Quality>{_rate(stream)}
    <tt:SessionTimeout>PT60S</tt:SessionTimeout>
  </tt:VideoEncoderConfiguration>
  <tt:VideoAnalyticsConfiguration token="a"><tt:Name>a</tt:Name><tt:UseCount>1</tt:UseCount>
    <tt:AnalyticsEngineConfiguration>
      <tt:AnalyticsModule Name="m" Type="tt:CellMotionEngine"><tt:Parameters>
        <tt:SimpleItem Name="Sensitivity" Value="80"/>
      </tt:Parameters></tt:AnalyticsModule>
    </tt:AnalyticsEngineConfiguration>
    <tt:RuleEngineConfiguration/>
  </tt:VideoAnalyticsConfiguration>
</trt:Profiles>"""


def _profile2(stream: Stream) -> str:
    return f"""
<tr2:Profiles token="{stream.token}" fixed="true"><tr2:Name>{stream.token} stream</tr2:Name>
  <tr2:Configurations>
    <tr2:VideoSource token="v"><tt:Name>v</tt:Name><tt:UseCount>2</tt:UseCount>
      <tt:SourceToken>{stream.source}</tt:SourceToken>
      <tt:Bounds x="0" y="0" width="1920" height="1080"/></tr2:VideoSource>
    <tr2:VideoEncoder token="e" GovLength="30" Profile="Main">
      {_encoder(stream)}{_rate(stream)}<tt:Quality>4</tt:Quality>
    </tr2:VideoEncoder>
  </tr2:Configurations>
</tr2:Profiles>"""


def _encoder(stream: Stream) -> str:
    return f"""\
<tt:Name>e</tt:Name><tt:UseCount>1</tt:UseCount><tt:Encoding>{stream.encoding}</tt:Encoding>
<tt:Resolution><tt:Width>{stream.width}</tt:Width><tt:Height>{stream.height}</tt:Height>
</tt:Resolution>"""


def _rate(stream: Stream) -> str:
    if stream.fps is None:
        return ""
    return f"""\
<tt:RateControl><tt:FrameRateLimit>{stream.fps}</tt:FrameRateLimit>
<tt:BitrateLimit>2048</tt:BitrateLimit></tt:RateControl>"""
