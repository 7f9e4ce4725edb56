"""A stand-in for wttr.in on a loopback port: the same paths, the shape and the faults of its `format=j1`.

The real service answers an unknown place with 404 and somebody else's weather, a shortage of data with 503 or with
plain text under 200, and for a while it wrapped everything in `data`. `out_of_queries` and `nested` switch these on.
"""

import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, unquote_plus, urlsplit

HOURS = ("0", "300", "600", "900", "1200", "1500", "1800", "2100")
DATES = ("2026-03-10", "2026-03-11", "2026-03-12")

# name: (place), now (°C, feels like, sky, wind km/h, from, humidity %), days (min, max, sky at noon, rain %)
CITIES = {
    "berlin": (
        ("Berlin", "Germany", "52.517", "13.400"),
        ("7", "4", "Light rain", "19", "WSW", "81"),
        (("3", "9", "Light rain", "78"), ("2", "11", "Partly cloudy", "12"), ("1", "12", "Sunny", "0")),
    ),
    "lisbon": (
        ("Lisbon", "Portugal", "38.717", "-9.133"),
        ("17", "17", "Sunny", "11", "NNW", "58"),
        (("11", "18", "Sunny", "0"), ("12", "19", "Sunny", "3"), ("12", "16", "Moderate rain", "91")),
    ),
    "são paulo": (
        ("Sao Paulo", "Brazil", "-23.533", "-46.617"),
        ("26", "28", "Patchy rain nearby", "9", "SE", "74"),
        (("19", "28", "Thundery outbreaks", "88"), ("19", "27", "Cloudy", "40"), ("18", "29", "Sunny", "6")),
    ),
}


class WeatherStandIn:
    """`with WeatherStandIn() as weather:` then `weather.url`; `requests` are the paths it was asked for."""

    def __init__(self):
        self.requests = []
        self.nested = False
        self.out_of_queries = None  # the status under which it says so: 200 or 503
        stand_in = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"
            wbufsize = -1

            def do_GET(self):
                stand_in.requests.append(self.path)
                status, kind, text = stand_in.answer(self.path)
                payload = text.encode()
                self.send_response(status)
                self.send_header("Content-Type", kind)
                self.send_header("Content-Length", str(len(payload)))
                self.end_headers()
                self.wfile.write(payload)

            def log_message(self, format, *args):
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True)
        self.url = f"http://127.0.0.1:{self._server.server_port}"

    def __enter__(self):
        self._thread.start()
        return self

    def __exit__(self, *_):
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    def answer(self, target):
        """(status, content type, text)"""
        parts = urlsplit(target)
        if self.out_of_queries:
            sorry = "Sorry, we are running out of queries to the weather service at the moment.\n"
            return self.out_of_queries, "text/plain; charset=utf-8", sorry
        if parse_qs(parts.query).get("format") != ["j1"]:
            return 200, "text/plain; charset=utf-8", "Weather report: a drawing in many colours\n"
        city = unquote_plus(parts.path.removeprefix("/")).split(",")[0].strip().casefold()
        report = j1(*CITIES.get(city, CITIES["lisbon"]))
        return (
            200 if city in CITIES else 404,
            "application/json",
            json.dumps({"data": report} if self.nested else report),
        )


def j1(place, now, days):
    """The report as the service sends it: every number is text, every text is in a list."""
    name, country, latitude, longitude = place
    celsius, feels_like, sky, wind, direction, humidity = now
    return {
        "current_condition": [
            {
                "FeelsLikeC": feels_like,
                "FeelsLikeF": fahrenheit(feels_like),
                "cloudcover": "75",
                "humidity": humidity,
                "localObsDateTime": f"{DATES[0]} 10:21 AM",
                "observation_time": "09:21 AM",
                "precipInches": "0.0",
                "precipMM": "0.3",
                "pressure": "1011",
                "pressureInches": "30",
                "temp_C": celsius,
                "temp_F": fahrenheit(celsius),
                "uvIndex": "2",
                "visibility": "10",
                "visibilityMiles": "6",
                "weatherCode": "296",
                "weatherDesc": [{"value": f"{sky} "}],
                "weatherIconUrl": [{"value": ""}],
                "winddir16Point": direction,
                "winddirDegree": "247",
                "windspeedKmph": wind,
                "windspeedMiles": str(round(int(wind) / 1.609)),
            }
        ],
        "nearest_area": [
            {
                "areaName": [{"value": name}],
                "country": [{"value": country}],
                "latitude": latitude,
                "longitude": longitude,
                "population": "0",
                "region": [{"value": name}],
                "weatherUrl": [{"value": ""}],
            }
        ],
        "request": [{"query": f"Lat {latitude} and Lon {longitude}", "type": "LatLon"}],
        "weather": [day(date, *figures) for date, figures in zip(DATES, days, strict=True)],
    }


def day(date, low, high, sky, rain):
    return {
        "astronomy": [
            {
                "moon_illumination": "62",
                "moon_phase": "Last Quarter",
                "moonrise": "02:40 AM",
                "moonset": "09:54 AM",
                "sunrise": "06:28 AM",
                "sunset": "06:02 PM",
            }
        ],
        "avgtempC": str((int(low) + int(high)) // 2),
        "avgtempF": fahrenheit((int(low) + int(high)) // 2),
        "date": date,
        "hourly": [hour(time, low, high, sky, rain) for time in HOURS],
        "maxtempC": high,
        "maxtempF": fahrenheit(high),
        "mintempC": low,
        "mintempF": fahrenheit(low),
        "sunHour": "5.5",
        "totalSnow_cm": "0.0",
        "uvIndex": "2",
    }


def hour(time, low, high, sky, rain):
    noon = time == "1200"
    celsius = high if noon else low
    return {
        "DewPointC": low,
        "FeelsLikeC": celsius,
        "HeatIndexC": celsius,
        "WindChillC": celsius,
        "WindGustKmph": "28",
        "chanceofrain": rain if noon else "0",
        "chanceofsnow": "0",
        "chanceofsunshine": "40",
        "cloudcover": "75",
        "humidity": "80",
        "precipMM": "0.2",
        "pressure": "1012",
        "tempC": celsius,
        "tempF": fahrenheit(celsius),
        "time": time,
        "uvIndex": "1",
        "visibility": "10",
        "weatherCode": "296",
        "weatherDesc": [{"value": sky if noon else "Overcast"}],
        "weatherIconUrl": [{"value": ""}],
        "winddir16Point": "WSW",
        "winddirDegree": "247",
        "windspeedKmph": "17",
    }


def fahrenheit(celsius):
    return str(round(int(celsius) * 9 / 5 + 32))
